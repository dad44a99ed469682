"""LIST: selected objects of one moment, page by page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.local.api.scope import Scope
from airflow_kubeflow_trainer.local.api.selectors import Predicate, everything, field_selector, label_selector
from airflow_kubeflow_trainer.local.api.store import RevisionGoneError, Store
from airflow_kubeflow_trainer.local.api.watch import parse_revision
from airflow_kubeflow_trainer.local.status import bad_request, expired

Object = dict[str, Any]


def selection(query: Mapping[str, str], plural: str) -> Predicate:
    """Return what a query's labelSelector and fieldSelector select together."""
    labels = label_selector(query["labelSelector"]) if query.get("labelSelector") else everything
    fields = field_selector(query["fieldSelector"], plural) if query.get("fieldSelector") else everything
    return lambda obj: labels(obj) and fields(obj)


def list_objects(store: Store, scope: Scope, query: Mapping[str, str]) -> Object:
    """Return the List object that answers a query.

    All pages of one list show the same moment: that of the first.

    :raises StatusError: 400 for a query that makes no sense, 410 for a continue token that is too old.
    """
    resource = scope.served.resource
    selects = selection(query, resource.plural)
    limit = _count(query.get("limit"))
    revision, after = _start(store, query)
    try:
        objects = [obj for obj in store.objects(resource.plural, scope.namespace, revision=revision) if selects(obj)]
    except RevisionGoneError:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. "
            "You must start a new list without the continue parameter."
        ) from None
    if after is not None:
        objects = [obj for obj in objects if _position(obj) > after]
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if limit and len(objects) > limit:
        metadata["continue"] = _token(revision, objects[limit - 1])
        if not (query.get("labelSelector") or query.get("fieldSelector")):
            metadata["remainingItemCount"] = len(objects) - limit
        objects = objects[:limit]
    kind = f"{resource.kind}List"
    return {"kind": kind, "apiVersion": resource.api_version, "metadata": metadata, "items": objects}


def _start(store: Store, query: Mapping[str, str]) -> tuple[int, tuple[str, str] | None]:
    """Return the revision to list, and the position after which to begin."""
    if query.get("continue"):
        return _read_token(query["continue"])
    revision = parse_revision(query.get("resourceVersion"))
    if query.get("resourceVersionMatch") == "Exact" and revision is not None:
        return revision, None
    return store.revision, None


def _position(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _token(revision: int, last: Object) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *_position(last)]).encode()).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(revision), (str(namespace), str(name))
    except (ValueError, TypeError, binascii.Error):
        raise bad_request("continue key is not valid: it must be the one that the last page gave") from None


def _count(text: str | None) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(f"limit must be a number of objects, not {text!r}")
    return int(text)
