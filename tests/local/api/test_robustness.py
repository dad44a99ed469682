"""Bodies that nobody should send: each is refused in Kubernetes' way, and none makes the server stumble."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.api import resources
from airflow_kubeflow_trainer.local.api.deletion import delete_options
from airflow_kubeflow_trainer.local.api.jsonpatch import merge_patch
from airflow_kubeflow_trainer.local.api.registry import Place, WriteOptions
from airflow_kubeflow_trainer.local.api.resources import ApiResource
from airflow_kubeflow_trainer.local.api.selectors import selection
from airflow_kubeflow_trainer.local.api.tables import table
from airflow_kubeflow_trainer.local.status import StatusError
from airflow_kubeflow_trainer.local.strategic import strategic_merge
from tests.local.api.harness import Objects

METADATA_KEYS = [
    "name",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "namespace",
]
SYSTEM_KEYS = ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"]
BODY_KEYS = ["apiVersion", "kind", "metadata", "spec", "status", "data", "stringData", "type", "$patch"]
FIELD_KEYS = ["containers", "env", "image", "conditions", "containerStatuses", "nodeName", "runtimeRef", "trainer"]
OPTION_KEYS = ["preconditions", "gracePeriodSeconds", "dryRun"]
KEYS = st.sampled_from([*METADATA_KEYS, *SYSTEM_KEYS, *BODY_KEYS, *FIELD_KEYS, *OPTION_KEYS])
VALUES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "delete", "one", "default"])
BODIES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=14,
)
OBJECTS = st.dictionaries(KEYS, BODIES, max_size=5)
CONTAINERS = [{"name": "main", "image": "python", "env": [{"name": "A", "value": "1"}]}]
GOOD: dict[str, dict[str, Any]] = {
    "pods": {"spec": {"containers": CONTAINERS, "nodeName": "local", "terminationGracePeriodSeconds": 5}},
    "secrets": {"stringData": {"a": "b"}},
    "trainjobs": {"spec": {"runtimeRef": {"name": "torch-distributed"}}},
    "nodes": {},
}
RESOURCES = st.sampled_from([each for each in resources.SERVED if each.plural in GOOD])
FIELDS = st.sampled_from(["spec", "status", "metadata"])


def attempt(work: Callable[[], Any]) -> None:
    """Do something that may be refused, but must not fail."""
    refusal = None
    try:
        work()
    except StatusError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message
        assert refusal.code < 500 or "resourceVersion should not be set" in refusal.message


def look(objects: Objects, resource: ApiResource) -> None:
    """Whatever was stored can be listed, selected and printed."""
    found = [stored.object for stored in objects.store.all(resource)]
    match = selection(resource, labels="a=b,!c", fields="metadata.name=one")
    assert match is not None
    assert all(match(obj) in (True, False) for obj in found)
    assert len(table(resource, found, {})["rows"]) == len(found)


@pytest.mark.parametrize("plural", GOOD)
def test_a_condition_without_a_type_is_printed(plural: str) -> None:
    resource = next(each for each in resources.SERVED if each.plural == plural)
    obj = {"metadata": {"name": "a"}, **GOOD[plural], "status": {"conditions": [{}], "addresses": [{}]}}

    assert len(table(resource, [obj], {})["rows"]) == 1


@settings(max_examples=300)
@given(resource=RESOURCES, body=BODIES, field=FIELDS, patch=OBJECTS, options=BODIES, status=st.booleans())
def test_no_body_makes_the_server_stumble(
    new_objects: Callable[..., Objects],
    resource: ApiResource,
    body: Any,
    field: str,
    patch: dict[str, Any],
    options: Any,
    status: bool,
) -> None:
    objects = new_objects(admitting=True)
    write, registry = WriteOptions(), objects.registry
    namespace = "default" if resource.namespaced else ""
    attempt(lambda: registry.create(resource, namespace, body, write))
    attempt(lambda: registry.create(resource, namespace, {**GOOD[resource.plural], field: body}, write))
    good = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "good"}}
    objects.let_in({**good, **GOOD[resource.plural]}, resource, namespace)
    place = Place(resource, namespace, "good")
    for apply in (merge_patch, strategic_merge):
        for change in ({field: body}, patch, {field: patch}):
            attempt(lambda: registry.patch(place, lambda obj: apply(obj, change), write, status=status))  # noqa: B023
    attempt(lambda: registry.replace(place, body, write))
    look(objects, resource)
    attempt(lambda: registry.delete(place, delete_options(options, {})))
    look(objects, resource)
