"""Fields of core objects that cannot change once the object is there."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.api.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    ApiResource,
)
from airflow_kubeflow_trainer.local.status import StatusError

_POD_MAY_CHANGE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")
_POD_WORDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM_WORDS = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def check(resource: ApiResource, new: Object, old: Object) -> None:
    """Refuse an update that Kubernetes would not do, so that no DAG relies on it here.

    :raises StatusError: 422.
    """
    if resource is PODS and _pod_identity(new) != _pod_identity(old):
        raise _forbidden(new, "spec", _POD_WORDS)
    if resource is PERSISTENT_VOLUME_CLAIMS and _claim_identity(new) != _claim_identity(old):
        raise _forbidden(new, "spec", _CLAIM_WORDS)
    if resource in (SECRETS, CONFIG_MAPS) and old.get("immutable"):
        _check_immutable_data(new, old)
    if resource is SECRETS and new.get("type") != old.get("type"):
        why = f'Invalid value: "{new.get("type", "")}": field is immutable'
        raise errors.invalid("Secret", new["metadata"]["name"], field="type", why=why)


def _check_immutable_data(new: Object, old: Object) -> None:
    for field in ("immutable", "data", "binaryData"):
        if new.get(field) != old.get(field):
            raise _forbidden(new, field, "field is immutable when `immutable` is set")


def _pod_identity(pod: Object) -> dict[str, Any]:
    spec = {
        key: value
        for key, value in (pod.get("spec") or {}).items()
        if key not in _POD_MAY_CHANGE and value not in (None, [])
    }
    for field in ("containers", "initContainers"):
        if field in spec:
            spec[field] = [{**container, "image": ""} for container in spec[field]]
    return spec


def _claim_identity(claim: Object) -> dict[str, Any]:
    free = ("resources", "volumeName", "volumeAttributesClassName")
    return {key: value for key, value in (claim.get("spec") or {}).items() if key not in free}


def _forbidden(obj: Object, field: str, words: str) -> StatusError:
    name = obj["metadata"]["name"]
    return errors.invalid(obj["kind"], name, field=field, why=f"Forbidden: {words}", reason="FieldValueForbidden")
