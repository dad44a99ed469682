"""Tables, as ``kubectl get`` asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.store import Stored

_Cell = Callable[[Object], Any]


def wanted(request: web.Request) -> bool:
    """Whether the client would have a table before all else."""
    first = request.headers.get("Accept", "").split(",")[0]
    return "as=Table" in first and "application/json" in first


def table(resource: ApiResource, objects: Sequence[Object], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return objects as a table.

    :param metadata: the list's, of which the resourceVersion and the continue token are kept.
    """
    columns = {"Name": _name, **_COLUMNS.get(resource.plural, {}), "Age": _age}
    kept = {key: metadata[key] for key in ("resourceVersion", "continue", "remainingItemCount") if key in metadata}
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": kept,
        "columnDefinitions": [_definition(name) for name in columns],
        "rows": [_row(obj, columns) for obj in objects],
    }


def encoder(resource: ApiResource) -> Callable[[Stored], bytes]:
    """Return how a watch shows one object: as a table of one row."""
    return lambda stored: json.dumps(table(resource, [stored.object], stored.object["metadata"])).encode()


def _definition(name: str) -> dict[str, Any]:
    kind = "name" if name == "Name" else ""
    return {"name": name, "type": "string", "format": kind, "description": "", "priority": 0}


def _row(obj: Object, columns: Mapping[str, _Cell]) -> dict[str, Any]:
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"cells": [cell(obj) for cell in columns.values()], "object": partial}


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Object) -> str:
    created = datetime.strptime(obj["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - created).total_seconds()))
    for size, unit, shown_up_to in ((1, "s", 120), (60, "m", 120), (3600, "h", 48)):
        if seconds // size < shown_up_to:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def _field(path: str) -> _Cell:
    def cell(obj: Object) -> Any:
        value: Any = obj
        for part in path.split("."):
            value = (value or {}).get(part)
        return "" if value is None else str(value)

    return cell


def _statuses(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _ready(pod: Object) -> str:
    ready = sum(1 for status in _statuses(pod) if status.get("ready"))
    return f"{ready}/{len(pod['spec'].get('containers') or [])}"


def _restarts(pod: Object) -> str:
    return str(sum(status.get("restartCount", 0) for status in _statuses(pod)))


def _pod_state(pod: Object) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    state = (pod.get("status") or {}).get("reason") or (pod.get("status") or {}).get("phase", "")
    for status in _statuses(pod):
        for kind in ("waiting", "terminated"):
            state = ((status.get("state") or {}).get(kind) or {}).get("reason") or state
    return str(state)


def _node_state(node: Object) -> str:
    conditions = {each["type"]: each["status"] for each in (node.get("status") or {}).get("conditions") or []}
    states = ["Ready" if conditions.get("Ready") == "True" else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        states.append("SchedulingDisabled")
    return ",".join(states)


def _trainjob_state(trainjob: Object) -> str:
    conditions = (trainjob.get("status") or {}).get("conditions") or []
    return str(conditions[-1]["type"]) if conditions else ""


def _involved(event: Object) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


_COLUMNS: dict[str, dict[str, _Cell]] = {
    "namespaces": {"Status": _field("status.phase")},
    "nodes": {"Status": _node_state},
    "pods": {"Ready": _ready, "Status": _pod_state, "Restarts": _restarts},
    "persistentvolumeclaims": {"Status": _field("status.phase")},
    "events": {"Type": _field("type"), "Reason": _field("reason"), "Object": _involved, "Message": _field("message")},
    "secrets": {"Type": _field("type")},
    "trainjobs": {"State": _trainjob_state},
}
