"""Objects without what nobody reads: a process that waits for thousands of TrainJobs keeps all of theirs."""

from __future__ import annotations

from typing import Any

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels")
_BULKY = ("command", "env")
"""Of a TrainJob's trainer: a function's whole source may stand there."""
_LONGEST_ARGUMENT = 256


def slim_trainjob(trainjob: dict[str, Any]) -> dict[str, Any]:
    """Keep a TrainJob's metadata, status, and its spec but for what the training runs."""
    spec = dict(trainjob.get("spec") or {})
    if spec.get("trainer"):
        trainer = {key: value for key, value in spec["trainer"].items() if key not in _BULKY}
        if trainer.get("args"):
            trainer["args"] = [argument for argument in trainer["args"] if len(argument) <= _LONGEST_ARGUMENT]
        spec["trainer"] = trainer
    slim = {**_metadata(trainjob, "annotations"), "spec": spec}
    return slim | {"status": trainjob["status"]} if trainjob.get("status") else slim


def slim_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """Keep a pod's metadata, node and status."""
    slim = {**_metadata(pod), "spec": {"nodeName": (pod.get("spec") or {}).get("nodeName")}}
    return slim | {"status": pod["status"]} if pod.get("status") else slim


def slim_workload(workload: dict[str, Any]) -> dict[str, Any]:
    """Keep a Workload's metadata and status."""
    return {**_metadata(workload, "ownerReferences"), "status": workload.get("status") or {}}


def _metadata(item: dict[str, Any], *more: str) -> dict[str, Any]:
    metadata = item["metadata"]
    return {"metadata": {key: metadata[key] for key in (*_METADATA, *more) if key in metadata}}
