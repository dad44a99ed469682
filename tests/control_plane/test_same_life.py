"""A TrainJob's life, told to the real control plane and to ours: the same status at each step."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from tests.control_plane.telling import DEADLINE_SECONDS, FAIL, LISTENS, SUCCEED, Tale, Teller, over, running

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(240)]

TUNE = {"name": "torchtune-llama3.2-1b"}
WAITS = {"command": ["sh", "-c", LISTENS]}
FAILS = {"command": ["sh", "-c", "exit 3"]}
HERE = f"file://{Path(__file__).parent}"
NO_GPU = {"resourcesPerNode": {"limits": {"nvidia.com/gpu": 0}}}


@pytest.fixture
async def tale(both: tuple[Client, Client]) -> AsyncIterator[Tale]:
    real, ours = (Teller(client) for client in both)
    async with real.telling(), ours.telling():
        yield Tale(real, ours)


async def success(tale: Tale) -> None:
    await tale.create({**WAITS, "numNodes": 2})
    await tale.comes_to(running(nodes=2))
    await tale.signal(SUCCEED, node=1)
    await tale.comes_to(lambda seen: [pod[2] for pod in seen["pods"]] == ["Running", "Succeeded"])
    await tale.signal(SUCCEED, node=0)
    await tale.comes_to(over("Complete"))


async def no_nodes_at_all(tale: Tale) -> None:
    await tale.create({**WAITS, "numNodes": 0})
    await tale.comes_to(over("Complete"))


async def a_failing_node(tale: Tale) -> None:
    await tale.create(FAILS)
    await tale.comes_to(over("Failed", pods=False))


async def one_node_of_several_failing(tale: Tale) -> None:
    await tale.create({"command": ["sh", "-c", f'[ "$JOB_COMPLETION_INDEX" = 1 ] && exit 3; {LISTENS}'], "numNodes": 3})
    await tale.comes_to(over("Failed", pods=False))


async def a_crash_and_a_restart(tale: Tale) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    await tale.signal(signal.SIGKILL)
    await tale.comes_to(running(restarts=1))
    await tale.signal(FAIL)
    await tale.comes_to(running(restarts=2))
    await tale.signal(SUCCEED)
    await tale.comes_to(over("Complete"))


async def a_failing_initializer(tale: Tale) -> None:
    # One alone: of two that fail it is chance whose end comes first.
    initializer = {"dataset": {"storageUri": "nowhere://at/all"}, "model": {"storageUri": HERE}}
    await tale.create({**WAITS, **NO_GPU}, runtimeRef=TUNE, initializer=initializer)
    # It starts seven times, each time a whole Python.
    await tale.comes_to(over("Failed"), seconds=200)


async def initializers_and_then_the_training(tale: Tale) -> None:
    initializer = {"dataset": {"storageUri": HERE}, "model": {"storageUri": HERE}}
    await tale.create({**WAITS, **NO_GPU}, runtimeRef=TUNE, initializer=initializer)
    await tale.comes_to(lambda seen: ("node", 0, "Running", 0) in seen["pods"] and seen["jobs"]["node"]["ready"] == 1)
    await tale.signal(SUCCEED)
    await tale.comes_to(over("Complete"))


async def suspended_and_resumed(tale: Tale) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    await tale.change(suspend=True)
    await tale.comes_to(over("Suspended", pods=False))
    await tale.change(suspend=False)
    await tale.comes_to(running())
    await tale.signal(SUCCEED)
    await tale.comes_to(over("Complete"))


async def born_suspended(tale: Tale) -> None:
    await tale.create(WAITS, suspend=True)
    await tale.comes_to(over("Suspended"))
    await tale.change(suspend=False)
    await tale.comes_to(running())


async def suspended_in_vain(tale: Tale) -> None:
    """Where a runtime has claims, Trainer 2.3 says that a job is suspended, and it runs on."""
    await tale.create({**WAITS, **NO_GPU}, runtimeRef=TUNE)
    await tale.comes_to(lambda seen: len(seen["pods"]) == 2)
    await tale.change(suspend=True)
    await tale.comes_to(over("Suspended"))
    await tale.change(suspend=False)
    await tale.comes_to(lambda seen: not over("Suspended")(seen))


async def a_deadline_that_passes(tale: Tale) -> None:
    await tale.create(WAITS, activeDeadlineSeconds=DEADLINE_SECONDS)
    await tale.comes_to(running())
    await tale.runs_out_of_time()


async def a_deadline_that_begins_anew(tale: Tale) -> None:
    """A resumed job has all of its time again."""
    await tale.create(WAITS, activeDeadlineSeconds=DEADLINE_SECONDS)
    await tale.comes_to(running())
    await tale.change(suspend=True)
    await tale.comes_to(over("Suspended", pods=False))
    await tale.change(suspend=False)
    await tale.comes_to(running())
    await tale.runs_out_of_time()


async def deleted_while_running(tale: Tale) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    await tale.delete()
    await tale.comes_to(lambda seen: not seen["exists"] and not seen["pods"])


async def a_pod_that_is_taken_away(tale: Tale) -> None:
    await tale.create(WAITS)
    await tale.comes_to(running())
    await tale.delete_pod()
    await tale.comes_to(running(), seconds=90)
    await tale.signal(SUCCEED)
    await tale.comes_to(over("Complete"))


Story = Callable[[Tale], Awaitable[None]]
STORIES: list[Story] = [
    success,
    no_nodes_at_all,
    a_failing_node,
    one_node_of_several_failing,
    a_crash_and_a_restart,
    a_failing_initializer,
    initializers_and_then_the_training,
    suspended_and_resumed,
    born_suspended,
    suspended_in_vain,
    a_deadline_that_passes,
    a_deadline_that_begins_anew,
    deleted_while_running,
    a_pod_that_is_taken_away,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__.replace("_", " "))
async def test_a_story_is_the_same_on_both(tale: Tale, story: Story) -> None:
    await story(tale)

    tale.ends_alike()
