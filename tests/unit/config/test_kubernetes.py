"""Kubernetes' own objects in a patch: what is no text there arrives as what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import airflow_kubeflow_trainer
from airflow_kubeflow_trainer.config import PodSpecPatch
from airflow_kubeflow_trainer.config.kubernetes import BOOLEANS, INTEGERS
from airflow_kubeflow_trainer.config.template import from_template
from airflow_kubeflow_trainer.exceptions import ConfigError

SCHEMA = Path(airflow_kubeflow_trainer.__file__).parent / "local" / "schemas" / "trainjobs.json"


def leaves(schema: Any, name: str) -> Iterator[tuple[str, str]]:
    """Give names and types of what stands in an object of this schema."""
    yield name, schema.get("type", "")
    for key, value in (schema.get("properties") or {}).items():
        yield from leaves(value, key)
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from leaves(inner, name)


def found(schema: Any, name: str) -> Any:
    """Find a property by its name, wherever it stands."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if not isinstance(schema, dict):
        return None
    if name in schema:
        return schema[name]
    return next((item for value in schema.values() if (item := found(value, name)) is not None), None)


@pytest.mark.parametrize(
    ("names", "kind"), [(INTEGERS, "integer"), (BOOLEANS, "boolean")], ids=["integers", "booleans"]
)
def test_what_is_no_text_is_what_trainers_schema_says(names: frozenset[str], kind: str) -> None:
    schema = found(json.loads(SCHEMA.read_text()), "runtimePatches")
    types = set(leaves(schema, "runtimePatches"))

    theirs = {name for name, found_kind in types if found_kind == kind}

    # A field of our own, and so of a type of its own.
    assert names == theirs - {"terminationGracePeriodSeconds"}
    assert {name for name, found_kind in types if name in names and found_kind not in (kind, "array")} == set()


def test_text_of_a_template_becomes_what_kubernetes_wants() -> None:
    rendered = {
        "securityContext": {"runAsUser": "1000", "supplementalGroups": ["1", "2"], "runAsNonRoot": "True"},
        "tolerations": [{"key": "5", "tolerationSeconds": "0"}],
    }

    patch = from_template(PodSpecPatch, rendered, field="patch")

    assert patch is not None
    assert patch.wire() == {
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [1, 2], "runAsNonRoot": True},
        "tolerations": [{"key": "5", "tolerationSeconds": 0}],
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"security_context": {"runAsUser": "root"}},
            r"security_context: runAsUser: must be an integer, not 'root'",
            id="a name for a number",
        ),
        pytest.param(
            {"volumes": [{"name": "a", "secret": {"optional": "yes"}}]},
            r"volumes\.0: optional: must be true or false, not 'yes'",
            id="a word for a truth value",
        ),
    ],
)
def test_text_that_kubernetes_would_refuse_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PodSpecPatch(**spec)
