"""Waiting for a TrainJob, from its creation to its end, whatever that is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import suspension
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from tests.local import runtimes


def spec_of(trainjob: dict[str, Any], **more: Any) -> WaitSpec:
    return WaitSpec(name=trainjob["metadata"]["name"], uid=trainjob["metadata"]["uid"], **more)


def cause_of(outcome: Outcome) -> Cause | None:
    return outcome.diagnosis.cause if outcome.diagnosis else None


async def test_a_training_is_told_from_its_start_to_its_end(api: TrainJobApi, make: Any, reporter: Any) -> None:
    # Not over before anybody looks.
    job = await make("sleep 1; echo one; printf '10%%\\r50%%\\r100%%\\n'; echo two")

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is None
    assert reporter.lines == ["one", "100%", "two"]
    assert reporter.phases[0] == "Starting"
    assert reporter.phases[-1] == "Succeeded"
    assert len(reporter.phases) == len(set(reporter.phases))


async def test_a_job_that_ended_before_anybody_waited_is_told_in_full(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("echo early")
    await wait(api, spec_of(job, get_logs=False), type(reporter)())

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is None
    assert (reporter.phases, reporter.lines) == (["Succeeded"], ["early"])


async def test_a_failure_brings_its_cause_and_the_logs_last_lines(
    api: TrainJobApi, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    job = await make("echo step 1; echo 'ValueError: no such column' >&2; exit 3", runtime=gives_up_at_once)

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.USER_CODE
    assert "exit code 3" in outcome.diagnosis.message
    assert "step 1" in outcome.log_tail
    assert "ValueError: no such column" in outcome.log_tail
    assert outcome.alive is False


async def test_the_failure_of_another_node_is_explained_by_that_nodes_log(
    api: TrainJobApi, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    script = 'if [ "$PET_NODE_RANK" = 1 ]; then echo rank one broke; exit 5; fi; exec sleep 60'
    job = await make(script, runtime=gives_up_at_once, trainer={"numNodes": 2})

    outcome = await wait(api, spec_of(job, get_logs=False), reporter)

    assert outcome.diagnosis is not None
    assert "exit code 5" in outcome.diagnosis.message
    assert outcome.log_tail == ("rank one broke",)


async def test_every_run_of_a_container_that_restarts_is_read_once(api: TrainJobApi, make: Any, reporter: Any) -> None:
    # An emptyDir is the pod's, so it outlives the container. Each run lasts a moment: Kubernetes keeps the log of the
    # present run and of the one before, so of runs that follow one another at once some are lost to everybody.
    pod = {
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "containers": [{"name": "node", "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}],
    }
    job_template = {"name": "node", "template": {"spec": {"template": {"spec": pod}}}}
    patch = {
        "manager": "example.com/test",
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job_template]}}},
    }
    job = await make(
        "ls /scratch | wc -l; echo x > /scratch/$(date +%s%N); sleep 1; [ $(ls /scratch | wc -l) = 3 ]",
        runtimePatches=[patch],
    )

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is None
    assert reporter.lines == ["0", "1", "2"]
    assert len([note for note in reporter.notes if "was restarted in place" in note]) == 2


async def test_a_trainjob_that_somebody_deletes_ends_the_wait(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("echo up; exec sleep 60")
    seen = asyncio.Event()
    reporter.on_line = lambda text: seen.set()
    waiting = asyncio.create_task(wait(api, spec_of(job), reporter))
    async with asyncio.timeout(30):
        await seen.wait()

    await api.delete(job["metadata"]["name"])

    outcome = await waiting
    assert cause_of(outcome) is Cause.DELETED
    assert outcome.alive is False


async def test_a_trainjob_that_never_was_ends_the_wait(api: TrainJobApi, reporter: Any) -> None:
    outcome = await wait(api, WaitSpec(name="never-was", uid="x"), reporter)

    assert cause_of(outcome) is Cause.DELETED


async def test_another_trainjob_of_the_same_name_is_not_ours(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("exec sleep 60")

    outcome = await wait(api, WaitSpec(name=job["metadata"]["name"], uid="that-of-an-earlier-one"), reporter)

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.DELETED
    assert "another one has its name" in outcome.diagnosis.message


async def test_a_pod_that_cannot_be_scheduled_is_told_and_given_up_in_time(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    resources = {"limits": {"nvidia.com/gpu": "512"}}
    job = await make("true", trainer={"resourcesPerNode": resources})

    outcome = await wait(api, spec_of(job, startup_timeout=3), reporter)

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.NOT_STARTED
    assert "startup_timeout (3 s)" in outcome.diagnosis.message
    assert "Insufficient nvidia.com/gpu" in outcome.diagnosis.message
    assert any("Insufficient nvidia.com/gpu" in warning for warning in reporter.warnings)
    assert outcome.alive is True


async def test_a_missing_secret_is_named(api: TrainJobApi, make: Any, reporter: Any) -> None:
    env = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token"}}}]
    job = await make("true", trainer={"env": env})

    outcome = await wait(api, spec_of(job, startup_timeout=3), reporter)

    assert outcome.diagnosis is not None
    assert 'secret "hf-token" not found' in outcome.diagnosis.message


async def test_a_training_that_takes_too_long_is_given_up(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("exec sleep 60")

    outcome = await wait(api, spec_of(job, run_timeout=2), reporter)

    assert outcome.diagnosis is not None
    assert outcome.diagnosis.cause is Cause.TIMEOUT
    assert "run_timeout (2 s)" in outcome.diagnosis.message


async def test_a_suspended_job_waits_by_its_own_clock(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("true", suspend=True)

    outcome = await wait(api, spec_of(job, admission_timeout=2, startup_timeout=1), reporter)

    assert outcome.diagnosis is not None
    assert "admission_timeout (2 s)" in outcome.diagnosis.message
    assert reporter.phases == ["Queued"]


@pytest.mark.parametrize(
    ("clock", "spec", "phase"),
    [
        pytest.param("admission_timeout", {"suspend": True}, "Queued", id="in a queue"),
        pytest.param(
            "startup_timeout",
            {"trainer": {"resourcesPerNode": {"limits": {"nvidia.com/gpu": "512"}}}},
            "Starting",
            id="on the way to run",
        ),
        pytest.param("run_timeout", {}, "Running", id="in training"),
    ],
)
async def test_a_clock_goes_on_where_another_process_takes_the_waiting_over(
    api: TrainJobApi, make: Any, reporter: Any, clock: str, spec: dict[str, Any], phase: str
) -> None:
    wanted = spec_of(await make("exec sleep 60", **spec), **{clock: 600})
    seen = asyncio.Event()
    reporter.on_phase = lambda told: seen.set() if told == phase else None
    first = asyncio.create_task(wait(api, wanted, reporter))
    async with asyncio.timeout(60):
        await seen.wait()
    first.cancel()

    async with asyncio.timeout(60):
        outcome = await wait(api, wanted, type(reporter)(), now=lambda: time.time() + 610)

    assert outcome.diagnosis is not None
    assert f"It was still {phase}" in outcome.diagnosis.message
    assert f"when {clock} (600 s) ran out" in outcome.diagnosis.message


async def test_a_deadline_that_has_passed_ends_the_wait_at_once(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("exec sleep 60")

    outcome = await wait(api, spec_of(job, deadline=time.time() - 1), reporter)

    assert outcome.alive is True
    assert outcome.diagnosis is not None


async def test_a_job_without_nodes_that_calls_itself_complete_is_a_failure(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("true", trainer={"numNodes": 0})

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is not None
    assert "nothing was trained" in outcome.diagnosis.message


@pytest.mark.parametrize("lines", [20_000])
async def test_a_long_log_arrives_whole_and_in_order(api: TrainJobApi, make: Any, reporter: Any, lines: int) -> None:
    job = await make(f"seq 1 {lines}")

    await wait(api, spec_of(job), reporter)

    assert reporter.lines == [str(number) for number in range(1, lines + 1)]


async def test_an_error_that_would_come_again_is_not_waited_for_seven_times(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("echo before; sleep 1; exec python -c 'import no_such_module'")

    outcome = await wait(api, spec_of(job), reporter)

    assert cause_of(outcome) is Cause.USER_CODE
    assert outcome.alive is True
    assert outcome.diagnosis is not None
    assert "It is not started again: its code ended with ModuleNotFoundError" in outcome.diagnosis.message
    assert "ModuleNotFoundError: No module named 'no_such_module'" in outcome.log_tail
    assert reporter.lines.count("before") == reporter.lines.count(outcome.log_tail[-1]) == 1


async def test_restarts_may_be_allowed_in_a_number_of_ones_own(api: TrainJobApi, make: Any, reporter: Any) -> None:
    job = await make("echo run; sleep 0.5; exit 7")

    outcome = await wait(api, spec_of(job, max_restarts=1), reporter)

    assert outcome.diagnosis is not None
    assert "exit code 7" in outcome.diagnosis.message
    assert "it has failed 2 times, and max_restarts is 1" in outcome.diagnosis.message
    assert reporter.lines[:2] == ["run", "run"]


async def test_a_pod_that_fails_for_good_leaves_the_word_to_its_trainjob(
    api: TrainJobApi, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    job = await make("exec python -c 'import no_such_module'", runtime=gives_up_at_once)

    outcome = await wait(api, spec_of(job, max_restarts=0), reporter)

    assert (cause_of(outcome), outcome.alive) == (Cause.USER_CODE, False)
    assert "ModuleNotFoundError: No module named 'no_such_module'" in outcome.log_tail


async def test_a_queue_that_the_cluster_does_not_have_costs_words_only(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("sleep 1", labels={"kueue.x-k8s.io/queue-name": "team-a"})

    outcome = await wait(api, spec_of(job), reporter)

    assert outcome.diagnosis is None
    assert [warning for warning in reporter.warnings if "no API kueue.x-k8s.io" in warning] != []


async def test_a_suspension_that_does_not_work_is_not_believed(
    api: TrainJobApi, make: Any, reporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspension, "DOUBT_SECONDS", 0.5)
    job = await make("echo up; sleep 8", runtime=await runtimes.claims_without_policy(api))
    up = asyncio.Event()
    reporter.on_line = lambda text: up.set()
    ended = asyncio.create_task(wait(api, spec_of(job), reporter))
    await up.wait()

    await api.set_suspend(job["metadata"]["name"], True)

    assert (await ended).diagnosis is None
    assert "Queued" not in reporter.phases[1:]
    assert any("its pods go on" in warning for warning in reporter.warnings)


async def test_a_job_that_is_suspended_and_resumed_is_told_so_and_its_clock_begins_anew(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    job = await make("echo up; sleep 3")
    up, queued = asyncio.Event(), asyncio.Event()
    reporter.on_line = lambda text: up.set()
    reporter.on_phase = lambda phase: queued.set() if phase == "Queued" else None
    ended = asyncio.create_task(wait(api, spec_of(job, run_timeout=8), reporter))
    await up.wait()

    await api.set_suspend(job["metadata"]["name"], True)
    await queued.wait()
    await asyncio.sleep(6)
    await api.set_suspend(job["metadata"]["name"], False)

    assert (await ended).diagnosis is None
    assert reporter.phases[-5:] == ["Running", "Queued", "Starting", "Running", "Succeeded"]
