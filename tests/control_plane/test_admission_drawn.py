"""TrainJobs that nobody thought of, drawn anew on each run from the CRD's own schema."""

from __future__ import annotations

import asyncio
import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.local.admission import custom_resource
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.control_plane.admission_rows import CREATIONS
from tests.control_plane.plane import ControlPlane
from tests.control_plane.test_admission import Answer, creation

SCHEMA = custom_resource("trainjobs")["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
SEEDS = [row for row in CREATIONS.values() if row.get("kind") == "TrainJob" and isinstance(row.get("spec"), dict)]
ODD = st.sampled_from(
    [None, True, 0, -1, 1, 2**31, 1.5, "", "x", "A b", "1", "a" * 300, [], ["x"], [{}], {}, {"x": "y"}, {"name": "x"}]
)
Path = tuple[str | int, ...]


def paths(schema: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Path]:
    """Ways into the schema, to a field that exists in it."""
    if schema.get("type") == "array" and depth < 12:
        return paths(schema["items"], depth + 1).map(lambda rest: (0, *rest))
    properties = schema.get("properties")
    if not properties or depth >= 12:
        return st.just(())
    return st.sampled_from(sorted(properties)).flatmap(
        lambda key: st.one_of(st.just((key,)), paths(properties[key], depth + 1).map(lambda rest: (key, *rest)))
    )


def with_value(spec: Any, path: Path, value: Any) -> Any:
    """A copy with something else at a path; what is missing on the way is made."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, int):
        items = list(spec) if isinstance(spec, list) else []
        return [with_value(items[0] if items else {}, rest, value), *items[1:]]
    fields = dict(spec) if isinstance(spec, dict) else {}
    return {**fields, key: with_value(fields.get(key), rest, value)}


@pytest.fixture(scope="session")
def planes(plane: ControlPlane, embedded: LocalCluster) -> tuple[Credentials, Credentials]:
    return plane.credentials(), asyncio.run(from_kubeconfig(embedded.kubeconfig))


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_what_is_drawn_from_the_schema_is_answered_alike(
    planes: tuple[Credentials, Credentials], data: st.DataObject
) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(SEEDS), label="seed"))
    for _ in range(data.draw(st.integers(1, 2), label="changes")):
        path = data.draw(paths(SCHEMA), label="path")
        body["spec"] = with_value(body["spec"], path, data.draw(ODD, label="value"))
    note(repr(body))

    async with Client(planes[0]) as real, Client(planes[1]) as ours:
        theirs, mine = await asyncio.gather(creation(real, body), creation(ours, body))

    assert without_go_types(mine) == without_go_types(theirs)


def without_go_types(answer: Answer) -> Answer:
    """What Trainer says, without Go's names of Kubernetes' own types, of which we know the common ones only."""
    words = [re.sub(r"Go struct field \w+\.|(?<= of type ).*", "", each) for each in answer.trainers_words]
    return replace(answer.said_by_trainer(), trainers_words=tuple(words))
