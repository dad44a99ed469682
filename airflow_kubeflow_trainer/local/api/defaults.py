"""What Kubernetes fills into core objects that are created."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

from airflow_kubeflow_trainer.local import pod_defaults
from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.status import bad_request


def fill_in(obj: Object) -> Object:
    """Return a new core object with its defaults and its first status; objects of other kinds as they are."""
    fill = _BY_KIND.get(obj["kind"])
    return fill(obj) if fill is not None and obj["apiVersion"] == "v1" else obj


def fold_in(obj: Object) -> Object:
    """Return an updated object with its write-only fields folded into those that are stored, and a pod's defaults."""
    if obj["kind"] == "Pod":
        return {**obj, "spec": _filled_spec(obj)}
    return _secret(obj) if obj["kind"] == "Secret" else obj


def _pod(obj: Object) -> Object:
    spec = _filled_spec(obj)
    return {**obj, "spec": spec, "status": pod_defaults.first_status(spec)}


def _filled_spec(obj: Object) -> Object:
    spec = copy.deepcopy(_mapping(obj, "spec"))
    pod_defaults.fill_in(spec)
    return spec


def _claim(obj: Object) -> Object:
    spec = {"volumeMode": "Filesystem", **_mapping(obj, "spec")}
    if spec.get("resources"):
        spec["resources"] = pod_defaults.canonical_resources(spec["resources"])
    return {**obj, "spec": spec, "status": {"phase": "Pending"}}


def _namespace(obj: Object) -> Object:
    labels = {**(obj["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": obj["metadata"].get("name", "")}
    metadata = {**obj["metadata"], "labels": labels}
    return {**obj, "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _secret(obj: Object) -> Object:
    """Write the secret's ``stringData`` into its ``data``."""
    obj = {"type": "Opaque", **obj}
    plain = obj.pop("stringData", None) or {}
    if not isinstance(plain, dict) or not all(isinstance(value, str) for value in plain.values()):
        raise bad_request("Secret.stringData: must be a map of strings")
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
    if encoded:
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    return obj


def _service(obj: Object) -> Object:
    spec = {"type": "ClusterIP", "sessionAffinity": "None", "clusterIP": "None", **_mapping(obj, "spec")}
    return {**obj, "spec": spec, "status": {"loadBalancer": {}}}


def _node(obj: Object) -> Object:
    return {**obj, "spec": _mapping(obj, "spec"), "status": _mapping(obj, "status")}


def _mapping(obj: Object, field: str) -> Object:
    value: Any = obj.get(field) or {}
    if not isinstance(value, dict):
        kind = obj["kind"]
        words = f"json: cannot unmarshal into Go struct field {kind}.{field}"
        raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {words}')
    return value


_BY_KIND: dict[str, Callable[[Object], Object]] = {
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
    "Namespace": _namespace,
    "Secret": _secret,
    "Service": _service,
    "Node": _node,
}
