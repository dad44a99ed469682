"""CustomResourceDefinitions of which nothing counts but what they are called."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_kubeflow_trainer.exceptions import ApiError
from tests.control_plane.plane import ControlPlane

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str, version: str, kind: str) -> dict[str, Any]:
    """A definition whose objects may hold anything."""
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@contextmanager
def serving(plane: ControlPlane, group: str, version: str, kind: str) -> Iterator[None]:
    """Have the API server know of one more kind while the context lasts."""
    body = definition(group, version, kind)
    plane.call("create", _DEFINITIONS, body)
    try:
        _wait_until_served(plane, f"/apis/{group}/{version}/{body['spec']['names']['plural']}")
        yield
    finally:
        plane.call("delete", f"{_DEFINITIONS}/{body['metadata']['name']}")


def _wait_until_served(plane: ControlPlane, path: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            plane.call("get", path)
            return
        except ApiError:  # 404, then 429 while its storage begins
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)
