"""Which object a URL path speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from airflow_kubeflow_trainer.local.api import resources
from airflow_kubeflow_trainer.local.api.registry import Place
from airflow_kubeflow_trainer.local.api.resources import NAMESPACES, ApiResource


@dataclass(frozen=True)
class Target:
    """A collection, an object or a subresource."""

    resource: ApiResource
    namespace: str | None
    """None for all namespaces, and for cluster-wide resources."""
    name: str | None
    subresource: str | None

    @property
    def place(self) -> Place:
        """Where the object is; only of use where there is a name."""
        return Place(self.resource, self.namespace or "", self.name or "")


def parse(raw_path: str) -> Target | None:
    """Return what a path speaks of; None where it is not served."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        return _target("", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) > 3:
        return _target(parts[1], parts[2], parts[3:])
    return None


def _target(group: str, version: str, parts: list[str]) -> Target | None:
    namespace = None
    if parts[0] == "namespaces" and len(parts) > 2 and not _is_subresource(group, parts):
        namespace, parts = parts[1], parts[2:]
    resource = resources.find(group, version, parts[0])
    if resource is None or len(parts) > 3 or "" in parts:
        return None
    name = parts[1] if len(parts) > 1 else None
    subresource = parts[2] if len(parts) > 2 else None
    misplaced = resource.namespaced != (namespace is not None)
    if misplaced and (name is not None or namespace is not None):
        return None
    known = {*resource.subresources, *(("status",) if resource.has_status else ())}
    if subresource is not None and subresource not in known:
        return None
    return Target(resource, namespace, name, subresource)


def _is_subresource(group: str, parts: list[str]) -> bool:
    return group == NAMESPACES.group and len(parts) == 3 and parts[2] == "status"
