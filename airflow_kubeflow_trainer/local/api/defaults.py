"""What Kubernetes fills into core objects that are created."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.status import bad_request

_CONTAINER = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_POD = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
}


def fill_in(obj: Object) -> Object:
    """Return a new core object with its defaults and its first status; objects of other kinds as they are."""
    fill = _BY_KIND.get(obj["kind"])
    return fill(obj) if fill is not None and obj["apiVersion"] == "v1" else obj


def fold_in(obj: Object) -> Object:
    """Return an updated object with its write-only fields folded into those that are stored."""
    return _secret(obj) if obj["kind"] == "Secret" else obj


def _pod(obj: Object) -> Object:
    spec = {**_POD, **_mapping(obj, "spec")}
    for field in ("initContainers", "containers"):
        if spec.get(field):
            spec[field] = [_container(container) for container in spec[field]]
    return {**obj, "spec": spec, "status": {"phase": "Pending", "qosClass": _quality(spec)}}


def _container(container: Object) -> Object:
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    policy = "IfNotPresent" if "@" in image or tag not in ("", "latest") else "Always"
    filled = {"imagePullPolicy": policy, **_CONTAINER, **container}
    resources = filled["resources"] or {}
    if resources.get("limits"):
        filled["resources"] = {**resources, "requests": {**resources["limits"], **(resources.get("requests") or {})}}
    return filled


def _quality(spec: Object) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    limits = [each.get("limits") or {} for each in resources]
    requests = [each.get("requests") or {} for each in resources]
    if not any({"cpu", "memory"} & set(each) for each in (*limits, *requests)):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(limit) and all(request.get(key) == limit[key] for key in ("cpu", "memory"))
        for limit, request in zip(limits, requests, strict=True)
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _claim(obj: Object) -> Object:
    spec = {"volumeMode": "Filesystem", **_mapping(obj, "spec")}
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
