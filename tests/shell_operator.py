"""An operator for tests of what all operators share."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob.manifest import MANAGER, JobOptions


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
                "labels": options.identity.labels(),
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
