"""Fields without which Kubernetes takes no pod and no claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.metadata import Object

_Missing = Iterator[tuple[str, str]]
"""Paths of fields, each with what is to be said of it."""


def check(obj: Object) -> None:
    """Refuse a new core object that lacks a field.

    :raises StatusError: 422, for the first field that it lacks.
    """
    find = _BY_KIND.get(obj["kind"])
    if find is None or obj["apiVersion"] != "v1":
        return
    for field, why in find(obj.get("spec") or {}):
        raise errors.invalid(
            obj["kind"], obj["metadata"].get("name", ""), field=field, why=why, reason="FieldValueRequired"
        )


def _of_pod(spec: Object) -> _Missing:
    if not spec.get("containers"):
        yield "spec.containers", "Required value"
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or []):
            for key in ("name", "image"):
                if not container.get(key):
                    yield f"spec.{field}[{i}].{key}", "Required value"


def _of_claim(spec: Object) -> _Missing:
    if not spec.get("accessModes"):
        yield "spec.accessModes", "Required value: at least 1 access mode is required"
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        yield "spec.resources[storage]", "Required value"


_BY_KIND: dict[str, Callable[[Object], _Missing]] = {"Pod": _of_pod, "PersistentVolumeClaim": _of_claim}
