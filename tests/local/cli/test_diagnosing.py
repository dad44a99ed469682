"""``diagnose``: why a TrainJob failed, or does not start, in the words that a task fails with."""

from __future__ import annotations

from tests.local.cli.conftest import Run, TrainJobs
from tests.local.runtimes import gives_up_at_once

IMPORT = "python3 -c 'import peft_of_tomorrow'"


def test_a_failed_training_is_explained_with_what_to_do_and_in_the_words_that_a_wait_ends_with(
    run: Run, trainjobs: TrainJobs
) -> None:
    name = trainjobs.create(IMPORT, runtimeRef={"name": trainjobs.ask(gives_up_at_once)})
    waited = run("logs", "-f", name)

    told = run("diagnose", name)

    assert told.code == 1
    cause = "The image has no Python module peft_of_tomorrow"
    assert told.out.startswith(f"{cause}: container node of pod {name}-node-0-0-")
    assert "\nWhat to do: Add its package to packages_to_install, or use an image that has it.\n" in told.out
    assert "  ModuleNotFoundError: No module named 'peft_of_tomorrow'" in told.out
    assert cause in waited.err
    assert "Add its package to packages_to_install" in waited.err

    found = run("diagnose", name, "-o", "json").json
    assert found["diagnosis"]["name"] == "module-missing"
    assert found["log_tail"][-1] == "ModuleNotFoundError: No module named 'peft_of_tomorrow'"


def test_one_that_does_not_start_is_explained_by_its_pods(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create("true", trainer={"resourcesPerNode": {"limits": {"nvidia.com/gpu": "512"}}})
    trainjobs.ask(lambda api: _until_it_has_a_trouble(api, name))

    told = run("diagnose", name)

    assert told.code == 1
    assert told.out.startswith("It is Starting: No node has enough free nvidia.com/gpu")


def test_one_that_is_well_has_nothing_to_explain(run: Run, trainjobs: TrainJobs) -> None:
    name = trainjobs.create("true")
    assert run("logs", "-f", name).code == 0

    told = run("diagnose", name)

    assert (told.code, told.out) == (0, "Succeeded: nothing is wrong that can be seen\n")
    assert run("diagnose", "no-such-trainjob").code == 4


async def _until_it_has_a_trouble(api: object, name: str) -> None:
    import asyncio

    while not any((pod["status"].get("conditions") or [{}])[0].get("message") for pod in await api.pods(name)):  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
