"""Tables, as ``kubectl get`` asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_kubeflow_trainer.local.api.columns import Column, columns_of
from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.store import Stored


def wanted(request: web.Request) -> bool:
    """Whether the client would have a table before all else."""
    first = request.headers.get("Accept", "").split(",")[0]
    return "as=Table" in first and "application/json" in first


def table(resource: ApiResource, objects: Sequence[Object], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return objects as a table.

    :param metadata: the list's, of which the resourceVersion and the continue token are kept.
    """
    columns = columns_of(resource)
    kept = {key: metadata[key] for key in ("resourceVersion", "continue", "remainingItemCount") if key in metadata}
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": kept,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(obj, columns) for obj in objects],
    }


def encoder(resource: ApiResource) -> Callable[[Stored], bytes]:
    """Return how a watch shows one object: as a table of one row."""
    return lambda stored: json.dumps(table(resource, [stored.object], stored.object["metadata"])).encode()


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": int(column.wide),
    }


def _row(obj: Object, columns: Sequence[Column]) -> dict[str, Any]:
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"cells": [column.cell(obj) for column in columns], "object": partial}
