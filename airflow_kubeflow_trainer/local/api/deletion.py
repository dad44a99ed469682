"""Deletion: at once, after a grace period, or once the finalizers are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from airflow_kubeflow_trainer.local.api import refusals
from airflow_kubeflow_trainer.local.api.metadata import timestamp
from airflow_kubeflow_trainer.local.api.resources import ServedResource
from airflow_kubeflow_trainer.local.status import bad_request

Object = dict[str, Any]

_PROPAGATION_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan", "Background": None}


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """What a client says about a deletion."""

    grace_period_seconds: int | None = None
    uid: str | None = None
    resource_version: str | None = None
    propagation_policy: str = "Background"
    dry_run: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any], query: Mapping[str, str], *, dry_run: bool) -> Self:
        """Take options from the DELETE's body, or else from its query.

        :raises StatusError: 400, they make no sense.
        """
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        policy = body.get("propagationPolicy") or query.get("propagationPolicy")
        if policy is None:
            orphan = body.get("orphanDependents", query.get("orphanDependents"))
            policy = "Orphan" if str(orphan).lower() == "true" else "Background"
        if policy not in _PROPAGATION_FINALIZERS:
            raise bad_request(f'invalid propagationPolicy "{policy}": must be Foreground, Background or Orphan')
        preconditions = body.get("preconditions") or {}
        try:
            seconds = None if grace is None else int(grace)
        except (TypeError, ValueError):
            raise bad_request(f"gracePeriodSeconds must be a number of seconds, not {grace!r}") from None
        return cls(
            grace_period_seconds=seconds,
            uid=preconditions.get("uid"),
            resource_version=preconditions.get("resourceVersion"),
            propagation_policy=policy,
            dry_run=dry_run,
        )


def check_preconditions(served: ServedResource, obj: Object, options: DeleteOptions) -> None:
    """Refuse the deletion of another object than the client means.

    :raises StatusError: 409.
    """
    metadata = obj["metadata"]
    for what, wanted, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if wanted is not None and wanted != found:
            problem = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
            raise refusals.conflict(served, metadata["name"], problem)


def marked(served: ServedResource, obj: Object, options: DeleteOptions) -> Object | None:
    """Return the object with the marks of its deletion; None where nothing keeps it any longer."""
    metadata = obj["metadata"]
    grace = _grace_seconds(served, obj, options)
    finalizers = list(metadata.get("finalizers") or [])
    wanted = _PROPAGATION_FINALIZERS[options.propagation_policy]
    if wanted is not None and wanted not in finalizers and not metadata.get("deletionTimestamp"):
        finalizers.append(wanted)
    if grace == 0 and not finalizers:
        return None
    if metadata.get("deletionTimestamp") and grace >= metadata.get("deletionGracePeriodSeconds", 0):
        # A deletion may become quicker, never slower.
        return obj
    ends = datetime.now(UTC) + timedelta(seconds=grace)
    marks = {"deletionTimestamp": timestamp(ends), "deletionGracePeriodSeconds": grace}
    if "generation" in metadata:
        marks["generation"] = metadata["generation"] + 1
    if finalizers:
        marks["finalizers"] = finalizers
    return {**obj, "metadata": {**metadata, **marks}}


def is_over(obj: Object) -> bool:
    """Say whether an object that is being deleted has nothing left to wait for."""
    metadata = obj["metadata"]
    deleting = "deletionTimestamp" in metadata
    return deleting and not metadata.get("finalizers") and metadata.get("deletionGracePeriodSeconds", 0) == 0


def _grace_seconds(served: ServedResource, obj: Object, options: DeleteOptions) -> int:
    if served.resource.plural != "pods":
        return 0
    spec, phase = obj["spec"], obj.get("status", {}).get("phase")
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    asked = options.grace_period_seconds
    seconds = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    # Kubernetes reads a negative period as the shortest that is graceful.
    return 1 if seconds < 0 else int(seconds)
