"""What the API server serves, for clients that ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_kubeflow_trainer.cluster.resources import TRAINER_GROUP
from airflow_kubeflow_trainer.local.api.resources import SERVED, STORAGE_CLASSES, ApiResource

KUBERNETES_VERSION = "v1.36.3"
"""Whose behaviour is played; clients judge by it what they may ask for."""
_REVIEWS = {
    "authorization.k8s.io": {
        "selfsubjectaccessreviews": "SelfSubjectAccessReview",
        "selfsubjectrulesreviews": "SelfSubjectRulesReview",
        "subjectaccessreviews": "SubjectAccessReview",
    },
    "authentication.k8s.io": {"selfsubjectreviews": "SelfSubjectReview"},
}
_GROUPS = {TRAINER_GROUP: "v1alpha1", STORAGE_CLASSES.group: STORAGE_CLASSES.version, **dict.fromkeys(_REVIEWS, "v1")}


def version() -> dict[str, str]:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{KUBERNETES_VERSION}+airflow-kubeflow-trainer-local",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def describe(path: str) -> dict[str, Any] | None:
    """Return the discovery document of a path; None where there is none."""
    parts = path.strip("/").split("/")
    match parts:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _GROUPS]}
        case ["apis", name] if name in _GROUPS:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}
        case ["api", "v1"]:
            return _resource_list("v1", _entries(each for each in SERVED if not each.group))
        case ["apis", name, number] if _GROUPS.get(name) == number:
            return _resource_list(f"{name}/{number}", _group_entries(name))
    return None


def _group(name: str) -> dict[str, Any]:
    served = {"groupVersion": f"{name}/{_GROUPS[name]}", "version": _GROUPS[name]}
    return {"name": name, "versions": [served], "preferredVersion": served}


def _group_entries(group: str) -> list[dict[str, Any]]:
    if group in _REVIEWS:
        return [
            {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
            for plural, kind in _REVIEWS[group].items()
        ]
    return _entries(each for each in SERVED if each.group == group)


def _resource_list(version: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries}


def _entries(served: Iterable[ApiResource]) -> list[dict[str, Any]]:
    return [entry for resource in served for entry in (_entry(resource), *_subresources(resource))]


def _entry(resource: ApiResource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresources(resource: ApiResource) -> Iterable[dict[str, Any]]:
    common = {"singularName": "", "namespaced": resource.namespaced}
    for name, kind in resource.subresources.items():
        verbs = ["get"] if name == "log" else ["create"]
        yield {**common, "name": f"{resource.plural}/{name}", "kind": kind, "verbs": verbs}
    if resource.has_status:
        verbs = ["get", "patch", "update"]
        yield {**common, "name": f"{resource.plural}/status", "kind": resource.kind, "verbs": verbs}
