"""What the API server itself says about an object: identity, times, generation; and what writers may say of it."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from airflow_kubeflow_trainer.local.api import refusals
from airflow_kubeflow_trainer.local.api.resources import ServedResource
from airflow_kubeflow_trainer.local.status import bad_request

Object = dict[str, Any]

_SYSTEM_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    "selfLink",
)
"""Fields of the metadata that no update changes."""

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def timestamp(at: datetime | None = None) -> str:
    """Return a time, or now, as Kubernetes writes it: whole seconds, UTC."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_type(served: ServedResource, obj: Any) -> Object:
    """Return an object with its apiVersion and kind, if it is of the resource that it was sent to.

    :raises StatusError: 400, it is not.
    """
    resource = served.resource
    if not isinstance(obj, dict):
        raise bad_request(f"couldn't get version/kind; json parse error: expected an object of kind {resource.kind}")
    if served.defines_trainer and not obj.get("kind"):
        raise bad_request(f"Object 'Kind' is missing in the {resource.kind} that was sent")
    kind, version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}')
    if not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request("metadata must be an object")
    return {**obj, "apiVersion": version, "kind": kind, "metadata": dict(obj.get("metadata") or {})}


def check_place(served: ServedResource, obj: Object, *, namespace: str, name: str | None) -> None:
    """Fill in the namespace and the name of the URL, and refuse an object that bears others."""
    metadata = obj["metadata"]
    if served.resource.namespaced:
        if metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        metadata.pop("namespace", None)
    if name is not None and metadata.setdefault("name", name) != name:
        given = metadata["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")


def born(served: ServedResource, obj: Object) -> Object:
    """Return a new object with its identity; it must have a name or a generateName."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    if not metadata.get("name"):
        prefix = metadata.get("generateName")
        if not prefix:
            problem = "Required value: name or generateName is required"
            raise refusals.invalid(served, "", field="metadata.name", reason="FieldValueRequired", problem=problem)
        metadata["name"] = prefix + "".join(secrets.choice(_NAME_ALPHABET) for _ in range(5))
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "managedFields"):
        metadata.pop(field, None)
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
    if served.has_generation:
        metadata["generation"] = 1
    return {**obj, "metadata": metadata}


def carried_over(served: ServedResource, obj: Object, old: Object) -> Object:
    """Return an update with what belongs to the API server taken from the stored object.

    :raises StatusError: 409 where it was made from another version or another object of the same name.
    """
    metadata, before = obj["metadata"], old["metadata"]
    name = before["name"]
    if metadata.get("resourceVersion") not in (None, "", before["resourceVersion"]):
        raise refusals.modified(served, name)
    if metadata.get("uid") not in (None, "", before["uid"]):
        problem = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
        raise refusals.conflict(served, name, problem)
    kept = {key: value for key, value in metadata.items() if key not in (*_SYSTEM_FIELDS, "managedFields")}
    kept |= {key: before[key] for key in _SYSTEM_FIELDS if key in before}
    kept["resourceVersion"] = before["resourceVersion"]
    if before.get("deletionTimestamp"):
        # What is being deleted takes no new finalizers.
        kept["finalizers"] = [item for item in kept.get("finalizers") or [] if item in before.get("finalizers", [])]
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not kept.get(field):
            kept.pop(field, None)
    return {**obj, "metadata": kept}


def wants_something_else(served: ServedResource, obj: Object, old: Object) -> bool:
    """Say whether an update changes what ``metadata.generation`` counts."""
    ignored = ("metadata", "status") if served.has_status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in ignored} != {
        key: value for key, value in old.items() if key not in ignored
    }
