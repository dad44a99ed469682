"""What an administrator of Kueue does."""

from __future__ import annotations

from typing import Any

from tests.airflow.administration import NAMESPACE
from tests.control_plane.plane import ControlPlane
from tests.kueue.plane import API, FLAVOR, GROUP

GPU = "nvidia.com/gpu"
MERGE_PATCH = "application/merge-patch+json"


class Queue:
    """A queue with a quota of GPUs of its own, in which the more important goes first, and drives out."""

    def __init__(self, plane: ControlPlane, name: str, *, gpus: int) -> None:
        self._plane = plane
        self.name = name
        self._create(
            "ClusterQueue",
            spec={
                "namespaceSelector": {},
                "resourceGroups": self._quota(gpus),
                "preemption": {"withinClusterQueue": "LowerPriority"},
            },
        )
        self._create("LocalQueue", NAMESPACE, spec={"clusterQueue": name})

    def grow(self, *, gpus: int) -> None:
        """Give it another quota."""
        patch = {"spec": {"resourceGroups": self._quota(gpus)}}
        self._plane.call("patch", f"{API}/clusterqueues/{self.name}", patch, content_type=MERGE_PATCH)

    def _create(self, kind: str, namespace: str | None = None, **fields: Any) -> None:
        create(self._plane, kind, self.name, namespace, **fields)

    @staticmethod
    def _quota(gpus: int) -> list[dict[str, Any]]:
        quota = {"name": GPU, "nominalQuota": gpus}
        return [{"coveredResources": [GPU], "flavors": [{"name": FLAVOR, "resources": [quota]}]}]


def create(plane: ControlPlane, kind: str, name: str, namespace: str | None = None, **fields: Any) -> None:
    """Make an object of Kueue's."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    path = f"{API}/namespaces/{namespace}" if namespace else API
    plural = f"{kind.lower()}es" if kind.endswith("s") else f"{kind.lower()}s"
    plane.call(
        "create",
        f"{path}/{plural}",
        {"apiVersion": f"{GROUP}/v1beta1", "kind": kind, "metadata": metadata, **fields},
    )
