"""As much of OpenAPI v3 as kubectl looks at: that the server itself validates fields, for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.local.api.discovery import KUBERNETES_VERSION
from airflow_kubeflow_trainer.local.api.resources import SERVED, ApiResource

_ROOT = "/openapi/v3"
_TRAINER_REFERENCE = "https://pkg.go.dev/github.com/kubeflow/trainer/v2/pkg/apis/trainer/v1alpha1"


NO_EXPLANATION = f"""\
the local cluster does not offer `kubectl explain`; TrainJobs are described at {_TRAINER_REFERENCE}"""


def wants_explanation(path: str, headers: Mapping[str, str]) -> bool:
    """Whether ``kubectl explain`` asks: without descriptions it would fail in words of its own templates.

    It passes on what a server says with 406 and as plain text only.
    """
    return path.startswith("/openapi/") and headers.get("Kubectl-Command", "").startswith("kubectl explain")


def describe(path: str) -> dict[str, Any] | None:
    """Return the index, or the document of one group and version; None where there is none."""
    versions = {_prefix(resource): resource for resource in SERVED}
    if path == _ROOT:
        return {"paths": {prefix: {"serverRelativeURL": f"{_ROOT}/{prefix}"} for prefix in versions}}
    prefix = path.removeprefix(f"{_ROOT}/")
    if prefix not in versions:
        return None
    served = [resource for resource in SERVED if _prefix(resource) == prefix]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": KUBERNETES_VERSION},
        "paths": {_object_path(resource): {"patch": _patch(resource)} for resource in served},
        "components": {"schemas": {}},
    }


def _prefix(resource: ApiResource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _object_path(resource: ApiResource) -> str:
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{_prefix(resource)}/{scope}{resource.plural}/{{name}}"


def _patch(resource: ApiResource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    names = ("dryRun", "fieldValidation")
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    return {"parameters": parameters, "responses": {}, "x-kubernetes-group-version-kind": kind}
