"""What a URL path speaks of: a resource, in a namespace or in all, one object or all, a subresource."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from airflow_kubeflow_trainer.local.api.resources import SERVED, ServedResource

_SUBRESOURCES = {"pods": ("log", "binding", "eviction")}


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The target of one request."""

    served: ServedResource
    namespace: str | None = None
    """None means all namespaces, or that the resource has none."""
    name: str | None = None
    """None means the collection."""
    subresource: str | None = None


def parse_path(raw_path: str) -> Scope | None:
    """Read the path of a URL, still quoted; None where nothing is served there."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    match parts:
        case ["api", version, *rest]:
            return _scope("", version, rest)
        case ["apis", group, version, *rest]:
            return _scope(group, version, rest)
        case _:
            return None


def _scope(group: str, version: str, rest: list[str]) -> Scope | None:
    namespace: str | None = None
    # "namespaces/x" and "namespaces/x/status" are the namespace itself.
    if len(rest) >= 3 and rest[0] == "namespaces" and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3 or "" in rest or namespace == "":
        return None
    served = SERVED.get(rest[0])
    if served is None or (served.resource.group, served.resource.version) != (group, version):
        return None
    name, subresource = (*rest[1:], None, None)[:2]
    if served.resource.namespaced is (namespace is None) and (name is not None or namespace is not None):
        return None
    if subresource is not None and not _has(served, subresource):
        return None
    return Scope(served=served, namespace=namespace, name=name, subresource=subresource)


def _has(served: ServedResource, subresource: str) -> bool:
    if subresource == "status":
        return served.has_status
    return subresource in _SUBRESOURCES.get(served.resource.plural, ())
