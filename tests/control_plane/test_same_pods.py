"""The pods and claims that our controller makes of a TrainJob are those that the real controllers make."""

from __future__ import annotations

import asyncio
import copy
import secrets
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES
from airflow_kubeflow_trainer.local.controller import run_controller
from airflow_kubeflow_trainer.local.pki import ensure_pki
from tests.control_plane.conftest import copy_runtimes
from tests.control_plane.making import STEPS, Making, agree
from tests.control_plane.own_runtimes import OWN_RUNTIMES
from tests.control_plane.plane import ControlPlane
from tests.control_plane.pod_rows import ROWS
from tests.local.api.harness import Server

Answers = dict[str, tuple[Any, Any]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What both planes, neither of which has a node, make of each row: the real one's, then ours."""
    with ControlPlane(tmp_path_factory.mktemp("without-a-node")) as plane:
        return asyncio.run(ask(plane, tmp_path_factory.mktemp("ours")))


async def ask(plane: ControlPlane, directory: Path) -> Answers:
    server = Server(directory, ensure_pki(directory / "pki"))
    await server.start()
    controller = asyncio.create_task(run_controller(server.client))
    try:
        async with plane.client() as client:
            for runtime in OWN_RUNTIMES:
                await client.create(CLUSTER_TRAINING_RUNTIMES.path(), runtime)
            await copy_runtimes(client, server.client)
            real, ours = Making(client, real=True), Making(server.client, real=False)
            async with real.following(), ours.following():
                names = await create(real, ours)
                await agree(real, ours, seconds=30)
                for step in STEPS:
                    await asyncio.gather(real.end(step), ours.end(step))
                    await agree(real, ours, seconds=30)
    finally:
        controller.cancel()
        await server.stop()
    return {row: (real.made[name].comparable(), ours.made[name].comparable()) for row, name in names.items()}


async def create(real: Making, ours: Making) -> dict[str, str]:
    """Create all rows on both planes; return each one's namespace."""
    mark = secrets.token_hex(2)
    names = {row: f"row-{mark}-{number}" for number, row in enumerate(ROWS)}
    for row, namespace in names.items():
        body = copy.deepcopy(ROWS[row])
        if body["metadata"].get("namespace") == "default":
            body["metadata"]["namespace"] = namespace
        name = await real.create(namespace, body)
        # A name that the first one made up is the second one's too.
        body["metadata"] |= {"name": name} if name else {}
        await ours.create(namespace, body)
    return names


@pytest.mark.parametrize("row", ROWS)
def test_a_trainjob_becomes_the_same_pods_and_claims(answers: Answers, row: str) -> None:
    real, ours = answers[row]

    assert ours == real


def test_the_rows_make_pods_of_every_kind_and_also_none(answers: Answers) -> None:
    made = [[pod["metadata"]["labels"] for wave in real["pods"] for pod in wave] for real, _ in answers.values()]

    assert sum(bool(pods) for pods in made) > 60
    assert {labels["jobset.sigs.k8s.io/replicatedjob-name"] for pods in made for labels in pods} >= {*STEPS, "node"}
    assert any(real["code"] == 201 and not any(real["pods"]) for real, _ in answers.values())
