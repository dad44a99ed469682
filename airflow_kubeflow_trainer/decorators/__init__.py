"""``@task.kubeflow_trainer``: a function of a DAG that trains in a TrainJob.

``kubeflow_trainer_task`` is the same object, with its arguments spelled out for editors, which cannot see into
``airflow.sdk.task``.
"""

from __future__ import annotations

from airflow_kubeflow_trainer.decorators.kubeflow_trainer import kubeflow_trainer_task

__all__ = ["kubeflow_trainer_task"]
