"""How an object goes: at once, after its grace period, or when its finalizers let it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.metadata import Object, is_deleted, timestamp
from airflow_kubeflow_trainer.local.api.resources import PODS, ApiResource
from airflow_kubeflow_trainer.local.status import StatusError, bad_request

_DEFAULT_GRACE_SECONDS = 30
_PROPAGATION = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """Kubernetes' DeleteOptions."""

    grace_seconds: int | None = None
    """None takes the object's own."""
    uid: str | None = None
    """The object must have this uid."""
    version: str | None = None
    """The object must have this resourceVersion."""
    orphan: bool = False
    """Whether what it owns stays. Background and Foreground are one here: the owner goes first."""
    dry_run: bool = False


def delete_options(body: Any, query: Mapping[str, str]) -> DeleteOptions:
    """Read options from a request's body; from its query where it has no body.

    :raises StatusError: 400 or 422, they make no sense.
    """
    if body is not None and not isinstance(body, dict):
        raise bad_request("decoded object cannot be converted to DeleteOptions")
    given: Mapping[str, Any] = body or query
    grace = given.get("gracePeriodSeconds")
    if grace is not None and not re.fullmatch(r"-?[0-9]{1,9}", str(grace)):
        raise bad_request(f"gracePeriodSeconds: {grace!r} is no whole number")
    propagation = given.get("propagationPolicy")
    if propagation not in (None, "", *_PROPAGATION):
        why = f'Unsupported value: "{propagation}": supported values: "Background", "Foreground", "Orphan"'
        raise _invalid_options("propagationPolicy", why)
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise bad_request("preconditions: they must be an object with uid or resourceVersion")
    return DeleteOptions(
        grace_seconds=None if grace is None else int(grace),
        uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"),
        orphan=propagation == "Orphan" or str(given.get("orphanDependents", "")).lower() == "true",
        dry_run=_dry_run(given.get("dryRun") or query.get("dryRun")),
    )


def _dry_run(given: Any) -> bool:
    values = given if isinstance(given, list) else [given] if given else []
    if any(value != "All" for value in values):
        raise _invalid_options("dryRun", f'Unsupported value: "{values[0]}": supported values: "All"')
    return bool(values)


def _invalid_options(field: str, why: str) -> StatusError:
    return errors.invalid("DeleteOptions.meta.k8s.io", "", field=field, why=why, reason="FieldValueNotSupported")


def check_preconditions(resource: ApiResource, obj: Object, options: DeleteOptions) -> None:
    """Refuse to delete another object than the one that is meant.

    :raises StatusError: 409.
    """
    uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
    name = obj["metadata"]["name"]
    if options.uid is not None and options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(resource, name, why)
    if options.version is not None and options.version != version:
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the ResourceVersion in record "
            f"({version}). The object might have been modified"
        )
        raise errors.conflict(resource, name, why)


def marked(resource: ApiResource, obj: Object, options: DeleteOptions) -> Object:
    """Return the object as one that is to go, and when."""
    if is_deleted(obj):
        return _hurried(obj, options)
    grace = _grace(resource, obj, options)
    metadata = {
        **obj["metadata"],
        "deletionTimestamp": timestamp(datetime.now(UTC) + timedelta(seconds=grace)),
        "deletionGracePeriodSeconds": grace,
    }
    if metadata.get("generation"):
        metadata["generation"] += 1
    return {**obj, "metadata": metadata}


def _grace(resource: ApiResource, obj: Object, options: DeleteOptions) -> int:
    if resource is not PODS:
        return 0
    never_ran = not obj["spec"].get("nodeName")
    ended = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if never_ran or ended:
        return 0
    wanted = options.grace_seconds
    if wanted is None:
        wanted = obj["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
    return 1 if wanted < 0 else wanted


def _hurried(obj: Object, options: DeleteOptions) -> Object:
    """A grace period that runs can only be made shorter."""
    metadata = obj["metadata"]
    grace, wanted = metadata.get("deletionGracePeriodSeconds") or 0, options.grace_seconds
    if wanted is None or wanted >= grace:
        return obj
    wanted = 1 if wanted < 0 else wanted
    planned = datetime.strptime(metadata["deletionTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    moment = max(planned - timedelta(seconds=grace - wanted), datetime.now(UTC))
    changed = {"deletionTimestamp": timestamp(moment), "deletionGracePeriodSeconds": wanted}
    return {**obj, "metadata": {**metadata, **changed}}


def may_go(obj: Object) -> bool:
    """Whether nothing holds an object back that is to go."""
    metadata = obj["metadata"]
    held = metadata.get("finalizers") or (obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers"))
    return is_deleted(obj) and not held and not metadata.get("deletionGracePeriodSeconds")
