"""Kubernetes' own objects within a patch: volumes, tolerations, security contexts, ...

They are passed on as they are. Only what a template renders to is text, and Kubernetes refuses text where it wants a
number or a truth value; the names of such fields are the same in all of these objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from airflow_kubeflow_trainer.config.base import is_pending

INTEGERS = frozenset(
    {
        "defaultMode", "expirationSeconds", "fsGroup", "lun", "maxExpirationSeconds", "mode", "partition", "runAsGroup",
        "runAsUser", "supplementalGroups", "tolerationSeconds", "weight",
    }
)  # fmt: skip
BOOLEANS = frozenset(
    {
        "allowPrivilegeEscalation", "chapAuthDiscovery", "chapAuthSession", "hostProcess", "optional", "privileged",
        "readOnly", "readOnlyRootFilesystem", "runAsNonRoot", "sslEnabled",
    }
)  # fmt: skip
_TRUTH = {"true": True, "false": False}


def _typed(value: Any, info: ValidationInfo[Any]) -> Any:
    return _read(value, "", info)


def _read(value: Any, name: str, info: ValidationInfo[Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _read(item, key, info) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item, name, info) for item in value]
    if not isinstance(value, str) or is_pending(value, info):
        return value
    if name in INTEGERS:
        try:
            return int(value)
        except ValueError:
            raise ValueError(f"{name}: must be an integer, not {value!r}") from None
    if name in BOOLEANS:
        if value.lower() not in _TRUTH:
            raise ValueError(f"{name}: must be true or false, not {value!r}")
        return _TRUTH[value.lower()]
    return value


KubernetesObject = Annotated[dict[str, Any], AfterValidator(_typed)]
"""An object of Kubernetes' API, as a dict with its names there."""
