"""Objects without what nobody reads: a process that waits for thousands of TrainJobs keeps all of theirs.

What is read of them while they are waited for is read elsewhere (phase, clocks, diagnosis, the record, Kueue's words,
a sensor's selector): whoever reads more there has to keep it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.pods import POD_CONDITIONS, POD_LABELS
from airflow_kubeflow_trainer.trainjob.progress import EPOCHS_ARGUMENT

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_CONTAINER = ("name", "restartCount", "state", "lastState")


def slim_trainjob(trainjob: dict[str, Any]) -> dict[str, Any]:
    """Keep a TrainJob's labels, status, and of its spec what tells how it is run, not what."""
    spec = trainjob.get("spec") or {}
    slim = _pick(spec, "runtimeRef", "suspend", "activeDeadlineSeconds")
    if spec.get("trainer"):
        slim["trainer"] = _pick(spec["trainer"], "numNodes")
        slim["trainer"]["args"] = [
            argument for argument in spec["trainer"].get("args") or [] if EPOCHS_ARGUMENT.fullmatch(str(argument))
        ]
    if spec.get("runtimePatches"):
        slim["runtimePatches"] = [_pick(patch, "manager") for patch in spec["runtimePatches"]]
    return {"metadata": _pick(trainjob["metadata"], *_METADATA, "labels"), "spec": slim, **_pick(trainjob, "status")}


def slim_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Keep what a :class:`~airflow_kubeflow_trainer.trainjob.pods.Pod` is made of."""
    metadata = _pick(pod["metadata"], *_METADATA)
    metadata["labels"] = _pick(pod["metadata"].get("labels") or {}, *POD_LABELS)
    slim = {"metadata": metadata, "spec": _pick(pod.get("spec") or {}, "nodeName")}
    return slim | {"status": _slim_pod_status(pod["status"])} if pod.get("status") else slim


def slim_workload(workload: dict[str, Any]) -> dict[str, Any]:
    """Keep a Workload's conditions."""
    return {
        "metadata": _pick(workload["metadata"], *_METADATA),
        "status": _pick(workload.get("status") or {}, "conditions"),
    }


def _slim_pod_status(status: Mapping[str, Any]) -> dict[str, Any]:
    slim = _pick(status, "phase", "reason", "message")
    slim["conditions"] = [each for each in status.get("conditions") or [] if each["type"] in POD_CONDITIONS]
    for containers in ("containerStatuses", "initContainerStatuses"):
        if status.get(containers):
            slim[containers] = [_pick(container, *_CONTAINER) for container in status[containers]]
    return slim


def _pick(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: item[key] for key in keys if item.get(key) is not None}
