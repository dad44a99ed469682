"""What Kubernetes fills into objects of the core group, as far as somebody here reads it."""

from __future__ import annotations

import base64
from typing import Any

from airflow_kubeflow_trainer.local.api import refusals
from airflow_kubeflow_trainer.local.api.resources import SERVED

Object = dict[str, Any]

_KEEPS_STATUS_AT_BIRTH = ("nodes",)


def fill_in(plural: str, obj: Object) -> Object:
    """Return a core object with its defaults, as it is to be stored; others come back as they are."""
    match plural:
        case "pods":
            return {**obj, "spec": _pod_spec(obj)}
        case "secrets":
            return _secret(obj)
        case "persistentvolumeclaims":
            return {**obj, "spec": {"volumeMode": "Filesystem", **(obj.get("spec") or {})}}
        case "namespaces":
            return _namespace(obj)
        case _:
            return obj


def first_status(plural: str, obj: Object) -> Object:
    """Return a new object with the status that it begins with, whatever its creator wrote there."""
    phases = {"pods": "Pending", "persistentvolumeclaims": "Pending", "namespaces": "Active"}
    if plural in phases:
        return {**obj, "status": {"phase": phases[plural]}}
    if plural in _KEEPS_STATUS_AT_BIRTH or not SERVED[plural].has_status:
        return obj
    return {key: value for key, value in obj.items() if key != "status"}


def _pod_spec(obj: Object) -> Object:
    spec = obj.get("spec") or {}
    if not spec.get("containers"):
        name = obj["metadata"].get("name", "")
        raise refusals.invalid(
            SERVED["pods"], name, field="spec.containers", reason="FieldValueRequired", problem="Required value"
        )
    defaults = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst"}
    filled = {**defaults, **spec, "containers": [_container(item) for item in spec["containers"]]}
    if spec.get("initContainers"):
        filled["initContainers"] = [_container(item) for item in spec["initContainers"]]
    return filled


def _container(container: Object) -> Object:
    defaults = {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    return {**defaults, "imagePullPolicy": "IfNotPresent", "resources": {}, **container}


def _secret(obj: Object) -> Object:
    plain = obj.get("stringData") or {}
    data = {**(obj.get("data") or {}), **{key: base64.b64encode(plain[key].encode()).decode() for key in plain}}
    secret = {"type": "Opaque", **{key: value for key, value in obj.items() if key not in ("stringData", "data")}}
    return {**secret, "data": data} if data else secret


def _namespace(obj: Object) -> Object:
    metadata = obj["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    return {**obj, "metadata": {**metadata, "labels": labels}, "spec": {"finalizers": ["kubernetes"]}}
