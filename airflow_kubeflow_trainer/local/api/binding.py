"""pods/binding: give a pod its node."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.metadata import Object, is_deleted, timestamp
from airflow_kubeflow_trainer.local.api.registry import Place, Registry, WriteOptions
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.status import StatusError, bad_request
from airflow_kubeflow_trainer.local.strategic import strategic_merge


def bind(store: Store, registry: Registry, place: Place, body: Any, options: WriteOptions) -> None:
    """Bind a pod to a node, for good.

    :raises StatusError: 400 or 422, no node is named; 404; 409, it has one, is being deleted, or is another pod.
    """
    node = _node(body, place.name)
    pod = registry.get(place).object
    _check(pod, place, body)
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp(), "lastProbeTime": None}
    bound = strategic_merge(pod, {"spec": {"nodeName": node}, "status": {"conditions": [condition]}})
    if not options.dry_run:
        store.put(place.resource, bound)


def _node(body: Any, pod_name: str) -> str:
    target = body.get("target") if isinstance(body, dict) else None
    if not isinstance(target, dict):
        raise bad_request("the object provided is unrecognized (must be of type Binding): it has no target")
    if target.get("kind") not in ("Node", "", None):
        why = f'Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        raise errors.invalid("Binding", pod_name, field="target.kind", why=why, reason="FieldValueNotSupported")
    if not target.get("name"):
        reason = "FieldValueRequired"
        raise errors.invalid("Binding", pod_name, field="target.name", why="Required value", reason=reason)
    return str(target["name"])


def _check(pod: Object, place: Place, body: Object) -> None:
    name, uid = place.name, (body.get("metadata") or {}).get("uid")
    if uid and uid != pod["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata']['uid']}"
        raise _conflict(name, why)
    if is_deleted(pod):
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod["spec"].get("nodeName"):
        raise _conflict(name, f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"')


def _conflict(name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on pods/binding "{name}": {why}'
    return StatusError(409, "Conflict", message, details={"name": name, "kind": "pods/binding"})
