"""LIST: selectors, pages, and how old the answer may be."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.api import errors
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.selectors import Match, selection
from airflow_kubeflow_trainer.local.api.store import Key, Store, Stored
from airflow_kubeflow_trainer.local.status import StatusError, bad_request, expired

_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You must start a new list without "
    "the continue parameter."
)


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """What a LIST or WATCH asks for."""

    match: Match | None
    """None selects all."""
    version: str
    """resourceVersion; "" where none was given."""
    version_match: str
    limit: int
    """0 is no limit."""
    token: str
    """The continue token; "" asks for the first page."""

    @property
    def number(self) -> int:
        """The version as a number; 0 where none was given."""
        return int(self.version or 0)


@dataclass(frozen=True)
class Page:
    """One page of a list, and the list's metadata."""

    items: list[Stored]
    metadata: dict[str, Any]


def list_options(resource: ApiResource, query: Mapping[str, str]) -> ListOptions:
    """Read the options from a request's query.

    :raises StatusError: 400 or 422, they make no sense.
    """
    version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if version and not (version.isascii() and version.isdigit()):
        raise _invalid("resourceVersion", f'Invalid value: "{version}": it must be a version that the server gave')
    return ListOptions(
        match=selection(resource, labels=query.get("labelSelector"), fields=query.get("fieldSelector")),
        version=version,
        version_match=match,
        limit=whole_number(query, "limit"),
        token=query.get("continue", ""),
    )


def whole_number(query: Mapping[str, str], name: str) -> int:
    """Return a parameter that is a number of at least 0; 0 where there is none.

    :raises StatusError: 400.
    """
    given = query.get(name) or "0"
    if not (given.isascii() and given.isdigit()):
        raise bad_request(f"{name}: {given!r} is no whole number of at least 0")
    return int(given)


def list_page(store: Store, resource: ApiResource, namespace: str | None, options: ListOptions) -> Page:
    """Return one page; later pages show the same moment as the first.

    :raises StatusError: 410, that moment is too long ago; 400, 422, 504: the options make no sense.
    """
    _check_version_match(options)
    version, after = store.version, None
    if options.token:
        version, after = _read_token(options)
    elif options.version_match == "Exact":
        version = options.number
    if max(version, options.number) > store.version:
        raise errors.too_large_version(max(version, options.number), store.version)
    found = _at(store, resource, namespace, version, continued=bool(options.token))
    if options.match is not None:
        found = [stored for stored in found if options.match(stored.object)]
    if after is not None:
        found = [stored for stored in found if stored.key > after]
    return _cut(found, version, options)


def _check_version_match(options: ListOptions) -> None:
    field, given = "resourceVersionMatch", options.version_match
    if options.token and options.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    if not given:
        return
    if options.token:
        raise _invalid(field, "Forbidden: resourceVersionMatch is forbidden when continue is provided")
    if not options.version:
        raise _invalid(field, "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
    if given not in ("Exact", "NotOlderThan"):
        raise _invalid(field, f'Unsupported value: "{given}": supported values: "Exact", "NotOlderThan"')
    if given == "Exact" and options.version == "0":
        raise _invalid(field, 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"')


def _at(store: Store, resource: ApiResource, namespace: str | None, version: int, *, continued: bool) -> list[Stored]:
    if version == store.version:
        return store.all(resource, namespace=namespace)
    try:
        return store.all_at(resource, version, namespace=namespace)
    except StatusError as error:
        raise expired(_CONTINUE_EXPIRED) if continued else error from None


def _cut(found: list[Stored], version: int, options: ListOptions) -> Page:
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    items = found
    if options.limit and len(found) > options.limit:
        items = found[: options.limit]
        metadata["continue"] = _token(version, items[-1].key)
        if options.match is None:
            metadata["remainingItemCount"] = len(found) - len(items)
    return Page(items, metadata)


def _token(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *last]).encode()).decode()


def _read_token(options: ListOptions) -> tuple[int, Key]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(options.token))
        return int(version), (str(namespace), str(name))
    except ValueError:
        raise bad_request("continue key is not valid: it must come from an earlier list") from None


def _invalid(field: str, why: str) -> StatusError:
    return errors.invalid("ListOptions.meta.k8s.io", "", field=field, why=why)
