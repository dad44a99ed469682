"""Fields of core objects that cannot change once the object is there."""

from __future__ import annotations

import json
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

_POD_MAY_CHANGE = ("activeDeadlineSeconds", "tolerations", "schedulingGates")
_POD_WORDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_TOLERATION_WORDS = "existing toleration can not be modified except its tolerationSeconds"
_CLAIM_WORDS = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_SIZE_WORDS = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


def check(resource: ApiResource, new: Object, old: Object) -> None:
    """Refuse an update that Kubernetes would not do, so that no DAG relies on it here.

    :raises StatusError: 422; 403 where a claim is to grow.
    """
    if resource is PODS:
        _check_pod(new, old)
    if resource is PERSISTENT_VOLUME_CLAIMS:
        _check_claim(new, old)
    if resource in (SECRETS, CONFIG_MAPS) and old.get("immutable"):
        _check_immutable_data(new, old)
    if resource is SECRETS and new.get("type") != old.get("type"):
        raise _invalid(new, "type", new.get("type", ""), "field is immutable")


def _check_pod(new: Object, old: Object) -> None:
    before, after = (pod["spec"].get("activeDeadlineSeconds") for pod in (old, new))
    if before is not None and after is None:
        raise _invalid(new, "spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
    if before is not None and after > before:
        raise _invalid(new, "spec.activeDeadlineSeconds", after, "must be less than or equal to previous value")
    kept = _tolerated(new)
    if any(toleration not in kept for toleration in _tolerated(old)):
        raise _forbidden(new, "spec.tolerations", _TOLERATION_WORDS)
    if _pod_identity(new) != _pod_identity(old):
        raise _forbidden(new, "spec", _POD_WORDS)


def _check_claim(new: Object, old: Object) -> None:
    bound = (old.get("status") or {}).get("phase") == "Bound"
    free = {"volumeAttributesClassName"} | ({"resources"} if bound else set())
    # What has been left open may be filled in, once.
    free |= {key for key in ("volumeName", "storageClassName") if not old["spec"].get(key)}
    before, after = ({key: part for key, part in claim["spec"].items() if key not in free} for claim in (old, new))
    if before != after:
        raise _forbidden(new, "spec", _CLAIM_WORDS)
    if bound and new["spec"].get("resources") != old["spec"].get("resources"):
        raise errors.forbidden(PERSISTENT_VOLUME_CLAIMS, new["metadata"]["name"], _SIZE_WORDS)


def _check_immutable_data(new: Object, old: Object) -> None:
    for field in ("immutable", "data", "binaryData"):
        if new.get(field) != old.get(field):
            raise _forbidden(new, field, "field is immutable when `immutable` is set")


def _tolerated(pod: Object) -> list[Object]:
    tolerations = pod["spec"].get("tolerations") or []
    return [{key: part for key, part in each.items() if key != "tolerationSeconds"} for each in tolerations]


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


def _invalid(obj: Object, field: str, value: str | int | None, words: str) -> StatusError:
    why = f"Invalid value: {json.dumps(value)}: {words}"
    return errors.invalid(obj["kind"], obj["metadata"]["name"], field=field, why=why)


def _forbidden(obj: Object, field: str, words: str) -> StatusError:
    name = obj["metadata"]["name"]
    return errors.invalid(obj["kind"], name, field=field, why=f"Forbidden: {words}", reason="FieldValueForbidden")
