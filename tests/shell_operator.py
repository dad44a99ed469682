"""An operator for tests of what all operators share, and a task instance to run it in."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob.identity import MANAGER
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions, queue_labels


class ShellOperator(TrainJobOperator):
    """A TrainJob that runs a shell script: all that operators share, without a training."""

    template_fields = (*TrainJobOperator.template_fields, "script")

    def __init__(self, *, script: str, nodes: int = 1, gpus: int = 0, **kwargs: Any) -> None:
        super().__init__(runtime="torch-distributed", **kwargs)
        self.script = script
        self.nodes = nodes
        self.gpus = gpus

    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        pod = {"metadata": {"labels": options.identity.labels()}}
        jobs = [{"name": "node", "template": {"spec": {"template": pod}}}]
        return {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {
                "name": options.name,
                "namespace": options.namespace,
                "labels": {**queue_labels(options), **options.identity.labels()},
                "annotations": options.identity.annotations(),
            },
            "spec": {
                "runtimeRef": {"name": options.runtime.name},
                "trainer": {
                    "command": ["sh", "-c", self.script],
                    "numNodes": self.nodes,
                    "numProcPerNode": 1,
                    "resourcesPerNode": {"limits": {"nvidia.com/gpu": str(self.gpus)}},
                },
                "runtimePatches": [
                    {"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}}}
                ],
            },
        }


class Task:
    """One task instance: its tries share run and ids."""

    def __init__(self) -> None:
        self.run_id = uuid4().hex
        self.ti_id = uuid4().hex
        self.xcoms: dict[str, Any] = {}

    def context(self, *, try_number: int = 1) -> Any:
        ti = SimpleNamespace(
            id=f"{self.ti_id}-{try_number}",
            dag_id="d",
            run_id=self.run_id,
            task_id="t",
            map_index=-1,
            try_number=try_number,
            start_date=datetime.now(UTC),
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
        )
        return {"ti": ti}
