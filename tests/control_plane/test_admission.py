"""What the real admission says of a TrainJob, the embedded one says too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.exceptions import ApiError, ConflictError
from airflow_kubeflow_trainer.local.admission import cel, custom_resource
from tests.control_plane.admission_rows import CREATIONS, UPDATES

API_VERSION = "trainer.kubeflow.org/v1alpha1"
GROUP = f"/apis/{API_VERSION}"
PLURALS = ("trainjobs", "trainingruntimes", "clustertrainingruntimes")


@dataclass(frozen=True)
class Answer:
    """What a control plane says, as far as both must say the same."""

    code: int
    trainers_words: tuple[str, ...] = ()
    """What Trainer says: its webhook, or the rules of its CRDs."""
    all_words: tuple[str, ...] = ()
    """What the API server says as well, for example of types and formats."""
    fields: tuple[str, ...] = ()
    """Which fields are wrong."""
    spec: Any = None
    """Of an object that is admitted: its spec, with all defaults."""

    def said_by_trainer(self) -> Answer:
        """The same without what the API server says on its own."""
        return replace(self, all_words=())


OTHER_WORDS = {
    "labels int": "Go's name of the field",
    "quantity fraction": "each part of `anyOf` is told",
    "quantity beyond 64 bits": "each part of `anyOf` is told",
    "wrong apiVersion": "it is decoded before it is looked at",
    "uid": "where the store keeps it",
}
"""Rows of which the API servers, not Trainer, say the same in other words; and what of the real one's is left out."""


def test_there_are_more_rows_than_were_asked_for() -> None:
    assert len([row for row in CREATIONS.values() if row.get("kind") == "TrainJob"]) >= 80


@pytest.mark.parametrize("row", CREATIONS)
async def test_a_creation_is_answered_alike(both: tuple[Client, Client], row: str) -> None:
    real, ours = await asyncio.gather(*(creation(client, CREATIONS[row]) for client in both))

    assert_alike(row, real, ours)


@pytest.mark.parametrize("row", UPDATES)
async def test_an_update_is_answered_alike(both: tuple[Client, Client], row: str) -> None:
    name = f"u-{uuid4().hex[:8]}"
    real, ours = await asyncio.gather(*(update(client, name, *UPDATES[row]) for client in both))

    assert_alike(row, real, ours)


def assert_alike(row: str, real: Answer, ours: Answer) -> None:
    assert (ours == real) is (row not in OTHER_WORDS), (real, ours)
    assert ours.said_by_trainer() == real.said_by_trainer()


@pytest.mark.parametrize("plural", PLURALS)
async def test_the_schemas_and_rules_that_we_know_are_those_of_the_real_one(
    both: tuple[Client, Client], plural: str
) -> None:
    """A rule of the CRD's that our code does not know fails here, by its text."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.trainer.kubeflow.org"
    real = (await both[0].get(path))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    assert {rule["rule"] for rule in rules(real)} - {cel.IMMUTABLE} <= cel.RULES.keys()
    assert custom_resource(plural)["versions"][0]["schema"]["openAPIV3Schema"] == without_descriptions(real)


def rules(schema: Any) -> Iterator[dict[str, str]]:
    """All CEL rules of a schema and of what is below."""
    if isinstance(schema, dict):
        yield from schema.get("x-kubernetes-validations", ())
    for child in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from rules(child)


def without_descriptions(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may itself be called so.
    return {
        key: without_descriptions(item)
        for key, item in schema.items()
        if key != "description" or not isinstance(item, str)
    }


RULES = tuple({rule["message"] for plural in PLURALS for rule in rules(custom_resource(plural))})
"""What the rules of the CRDs say."""


async def creation(client: Client, body: dict[str, Any]) -> Answer:
    try:
        created = await client.create(_collection(body), body, params={"dryRun": "All", "fieldValidation": "Strict"})
    except ApiError as error:
        return _refusal(error)
    return _admitted(created)


async def update(client: Client, name: str, before: dict[str, Any], after: dict[str, Any]) -> Answer:
    path = f"{_collection(before)}/{name}"
    await client.create(_collection(before), _named(before, name))
    try:
        while True:
            # The controllers write to it meanwhile.
            version = (await client.get(path))["metadata"]["resourceVersion"]
            body = _named(after, name, resourceVersion=version)
            try:
                return _admitted(await client.replace(path, body, params={"fieldValidation": "Strict"}))
            except ConflictError as error:
                if "modified" not in error.message:
                    return _refusal(error)
            except ApiError as error:
                return _refusal(error)
    finally:
        await client.delete(path)


def _collection(body: dict[str, Any]) -> str:
    return f"{GROUP}/clustertrainingruntimes" if _is_runtime(body) else f"{GROUP}/namespaces/default/trainjobs"


def _is_runtime(body: dict[str, Any]) -> bool:
    return bool(body.get("kind") == "ClusterTrainingRuntime")


def _named(body: dict[str, Any], name: str, **metadata: str) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "name": name, **metadata}}


def _admitted(item: dict[str, Any]) -> Answer:
    spec = item["spec"]
    for patch in spec.get("runtimePatches", ()):
        patch.pop("time", None)
    return Answer(200, spec=spec)


def _refusal(error: ApiError) -> Answer:
    causes = error.details.get("causes") or ()
    words = sorted(f"{cause.get('field')}: {cause['message']}" for cause in causes) or [_sorted(error.message)]
    return Answer(
        error.status,
        trainers_words=tuple(each for each in words if "admission webhook" in each or each.endswith(RULES)),
        all_words=tuple(words),
        fields=tuple(sorted({cause.get("field") or "" for cause in causes})),
    )


def _sorted(message: str) -> str:
    """Bring what the webhook found in order: Trainer asks its plugins as Go walks a map, each process otherwise."""
    found = re.fullmatch(r"(.* denied the request: \[)(.*)]", message, re.DOTALL)
    if found is None:
        return message
    return found[1] + ", ".join(sorted(re.split(r", (?=(?:spec|metadata)\.\S+: )", found[2]))) + "]"
