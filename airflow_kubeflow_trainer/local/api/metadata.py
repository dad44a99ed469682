"""What Kubernetes does to an object's metadata by itself."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.resources import PODS, ApiResource
from airflow_kubeflow_trainer.local.api.shapes import check_shape
from airflow_kubeflow_trainer.local.status import StatusError, bad_request

Object = dict[str, Any]

_LONGEST_GENERATED = 63
_SUFFIX_LENGTH = 5
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SET_BY_SERVER = ("managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "uid", "generation")
_NEVER_CHANGED = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")


def timestamp(moment: datetime | None = None) -> str:
    """Return a time, by default now, as Kubernetes writes it."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def has_generation(resource: ApiResource) -> bool:
    return resource.custom or resource is PODS


def check_body(resource: ApiResource, body: Any, *, namespace: str, name: str | None) -> Object:
    """Return the object that a request brings, if it fits the request's path; kind and version are filled in.

    :raises StatusError: it is another kind of object, or names another object.
    """
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): it is no object")
    body = {key: value for key, value in body.items() if value is not None}
    # The status of a new custom resource is admission's to refuse, and is dropped after.
    dropped = ("status",) if resource.custom and name is None else ()
    check_shape(resource, {key: value for key, value in body.items() if key not in dropped})
    _check_type(resource, body)
    metadata = body.get("metadata", {})
    if resource.namespaced and metadata.get("namespace", namespace) not in (namespace, ""):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name is not None and metadata.get("name", name) != name:
        given = metadata["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    metadata = {key: value for key, value in metadata.items() if value is not None}
    placed = {"namespace": namespace} if resource.namespaced else {}
    named = {"name": name} if name is not None else {}
    return {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata | named | placed}


def _check_type(resource: ApiResource, body: Mapping[str, Any]) -> None:
    version, kind = body.get("apiVersion"), body.get("kind")
    for field, value in (("Kind", kind), ("apiVersion", version)):
        if value is not None and not isinstance(value, str):
            raise bad_request(f"the object provided is unrecognized: its {field} is no string")
        if resource.custom and not value:
            raise bad_request(f"Object '{field}' is missing in the {resource.kind} that was sent")
    if version and version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind and kind != resource.kind:
        if resource.custom:
            name = str((body.get("metadata") or {}).get("name", ""))
            why = f'Invalid value: "{kind}": must be {resource.kind}'
            raise errors.invalid(f"{kind}.{resource.group}", name, field="kind", why=why)
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}')


def for_create(resource: ApiResource, obj: Object) -> Object:
    """Return a new object with its name, uid and creation time."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _SET_BY_SERVER}
    if metadata.pop("resourceVersion", None):
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = _generated(str(metadata["generateName"]))
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
    if has_generation(resource):
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def _generated(prefix: str) -> str:
    suffix = "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
    return prefix[: _LONGEST_GENERATED - _SUFFIX_LENGTH] + suffix


def check_uid(resource: ApiResource, new: Object, old: Object) -> None:
    """Refuse a patch of the uid: it is no condition, as it is in an object that is put.

    :raises StatusError: 422.
    """
    name, uid = old["metadata"]["name"], new["metadata"].get("uid", old["metadata"]["uid"])
    if uid != old["metadata"]["uid"]:
        why = f'Invalid value: "{uid}": field is immutable'
        raise errors.invalid(resource.qualified_kind, name, field="metadata.uid", why=why)


def check_versions(resource: ApiResource, new: Object, old: Object) -> None:
    """Refuse an update of another object of that name, or of an earlier version.

    :raises StatusError: 409; 422 where the version has to be stated.
    """
    name, wanted, present = old["metadata"]["name"], new["metadata"], old["metadata"]
    if wanted.get("uid") and wanted["uid"] != present["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {present['uid']}"
        raise errors.conflict(resource, name, why)
    version = wanted.get("resourceVersion")
    if not version and resource.custom:
        why = "Invalid value: 0: must be specified for an update"
        raise errors.invalid(resource.qualified, name, field="metadata.resourceVersion", why=why)
    if version and version != present["resourceVersion"]:
        raise errors.conflict(resource, name)


def for_update(new: Object, old: Object) -> Object:
    """Return an updated object whose fixed metadata is the present one's.

    :raises StatusError: 422, a finalizer is added to an object that is being deleted.
    """
    present = old["metadata"]
    fixed = {key: present[key] for key in (*_NEVER_CHANGED, "resourceVersion") if key in present}
    free = {key: value for key, value in new["metadata"].items() if key not in (*_NEVER_CHANGED, "managedFields")}
    updated = {**new, "metadata": {**free, **fixed}}
    if is_deleted(old):
        _refuse_new_finalizers(updated, old)
    return updated


def _refuse_new_finalizers(new: Object, old: Object) -> None:
    present = old["metadata"].get("finalizers") or []
    added = [name for name in new["metadata"].get("finalizers") or [] if name not in present]
    if added:
        listed = ", ".join(f'"{name}"' for name in sorted(added))
        why = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{listed}}}"
        )
        kind = new["kind"]
        name = new["metadata"]["name"]
        raise errors.invalid(kind, name, field="metadata.finalizers", why=why, reason="FieldValueForbidden")


def next_generation(resource: ApiResource, new: Object, old: Object) -> Object:
    """Count an update up if it changes what is wanted, not only what is."""
    if not has_generation(resource) or _wanted(new) == _wanted(old):
        return new
    return {**new, "metadata": {**new["metadata"], "generation": old["metadata"].get("generation", 0) + 1}}


def _wanted(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def is_deleted(obj: Mapping[str, Any]) -> bool:
    """Whether somebody has asked for its deletion."""
    return bool(obj["metadata"].get("deletionTimestamp"))
