"""Wait for a TrainJob that somebody else submitted, and go on when it is complete.

The task holds no worker while it waits, and never touches the TrainJob: whoever submitted it goes on owning it.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_kubeflow_trainer import TrainJobSensor

with DAG(
    "wait_for_trainjob",
    schedule=None,
    tags=["kubeflow"],
    doc_md=__doc__,
    params={
        "trainjob": Param("my-training", type="string", description="Name of the TrainJob; it need not be there yet."),
        "namespace": Param("default", type="string"),
    },
):
    trained = TrainJobSensor(
        task_id="trained",
        name="{{ params.trainjob }}",
        namespace="{{ params.namespace }}",
        until="complete",
        timeout=24 * 3600,
    )

    @task
    def use(trainjob: dict[str, Any]) -> str:
        """Do what is to be done with the model; here, say which it is."""
        return f"{trainjob['namespace']}/{trainjob['name']} is {trainjob['phase']}"

    use(trained.output)
