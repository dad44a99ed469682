"""TrainJobSensor has one meaning in all of its modes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_kubeflow_trainer.exceptions import (
    ClusterUnreachableError,
    TrainJobDeletedError,
    TrainJobFailedError,
    TrainJobMissingError,
    TrainJobSucceededError,
    TrainJobTimeoutError,
)
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited
from airflow_kubeflow_trainer.trainjob.seen import Sighting
from airflow_kubeflow_trainer.triggers.observing import TrainJobSensorTrigger
from tests.local.sensors.conftest import FOR_EVER, SomebodyElse
from tests.proxy import Proxy, status


def name_of(trainjob: dict[str, Any]) -> str:
    name: str = trainjob["metadata"]["name"]
    return name


def test_one_that_is_complete_is_returned_as_it_was_seen(watching: Any, somebody_else: Any) -> None:
    trainjob = somebody_else.submit_and_end()

    assert watching(name=name_of(trainjob)).result() == {
        "name": name_of(trainjob),
        "namespace": "default",
        "uid": trainjob["metadata"]["uid"],
        "phase": "Succeeded",
        "reason": "AllJobsCompleted",
        "message": "jobset completed successfully",
    }


def test_one_that_is_not_there_yet_is_waited_for(watching: Any, somebody_else: Any) -> None:
    name = f"later-{uuid4().hex[:8]}"
    sensor = watching(name=name)
    assert sensor.looked.wait(20)

    trainjob = somebody_else.submit(name=name)

    assert sensor.result()["uid"] == trainjob["metadata"]["uid"]


@pytest.mark.parametrize(
    ("script", "until", "kind", "words"),
    [
        pytest.param("exit 3", "complete", TrainJobFailedError, "ended as Failed (FailedJobs", id="failed"),
        pytest.param("true", "failed", TrainJobSucceededError, "ended as Succeeded", id="succeeded"),
    ],
)
def test_one_that_ends_otherwise_fails_the_task_at_once(
    watching: Any, somebody_else: Any, script: str, until: str, kind: type[Exception], words: str
) -> None:
    trainjob = somebody_else.submit(script, suspend=True)
    sensor = watching(name=name_of(trainjob), until=until)
    assert sensor.looked.wait(20)

    somebody_else.hook.resume(name_of(trainjob))

    with pytest.raises(kind) as raised:
        sensor.result()
    assert words in str(raised.value)
    assert f"default/{name_of(trainjob)}" in str(raised.value)


def test_one_that_is_deleted_on_its_way_fails_the_task_at_once(watching: Any, somebody_else: Any) -> None:
    trainjob = somebody_else.submit(suspend=True)
    sensor = watching(name=name_of(trainjob))
    assert sensor.looked.wait(20)

    somebody_else.hook.delete(name_of(trainjob))

    with pytest.raises(TrainJobDeletedError, match="was deleted when it was Queued"):
        sensor.result()


def test_one_that_never_appears_ends_with_a_timeout_of_its_own(watching: Any) -> None:
    with pytest.raises(TrainJobMissingError, match=r"TrainJob nobody did not appear within \d") as raised:
        watching(name="nobody", timeout=1).result()

    # Airflow does not try a sensor again that has timed out.
    assert isinstance(raised.value, AirflowSensorTimeout)


def test_one_that_does_not_get_there_in_time_is_told_apart_from_that(watching: Any, somebody_else: Any) -> None:
    trainjob = somebody_else.submit(suspend=True)

    with pytest.raises(TrainJobTimeoutError, match="Not complete within .* was still Queued") as raised:
        watching(name=name_of(trainjob), timeout=1).result()

    assert isinstance(raised.value, AirflowSensorTimeout)


def test_with_soft_fail_the_task_is_skipped_whatever_keeps_the_trainjob_from_it(
    watching: Any, somebody_else: Any
) -> None:
    failed = somebody_else.submit_and_end("exit 3")

    for name in (name_of(failed), "nobody"):
        with pytest.raises(AirflowSkipException):
            watching(name=name, soft_fail=True, timeout=1).result()


def test_all_with_a_label_are_waited_for(watching: Any, somebody_else: Any) -> None:
    done, other = somebody_else.submit_and_end(), somebody_else.submit(suspend=True)
    sensor = watching(label_selector=f"test in ({somebody_else.label}, other)")
    assert sensor.looked.wait(20)

    somebody_else.hook.resume(name_of(other))

    assert {found["uid"] for found in sensor.result()} == {job["metadata"]["uid"] for job in (done, other)}


def test_how_one_of_them_ended_counts_though_it_is_deleted_meanwhile(watching: Any, somebody_else: Any) -> None:
    done, other = somebody_else.submit_and_end(), somebody_else.submit(suspend=True)
    sensor = watching(label_selector=f"test={somebody_else.label}")
    assert sensor.looked.wait(20)

    somebody_else.hook.delete(name_of(done))
    somebody_else.hook.resume(name_of(other))

    assert [found["phase"] for found in sensor.result()] == ["Succeeded", "Succeeded"]


def test_any_with_a_label_is_enough(watching: Any, somebody_else: Any) -> None:
    somebody_else.submit(suspend=True)
    done = somebody_else.submit_and_end()

    (found,) = watching(label_selector=f"test={somebody_else.label}", which="any").result()

    assert found["uid"] == done["metadata"]["uid"]


def test_admission_is_the_end_of_the_suspension(watching: Any, somebody_else: Any) -> None:
    trainjob = somebody_else.submit(FOR_EVER, suspend=True)
    sensor = watching(name=name_of(trainjob), until="admitted")
    assert sensor.looked.wait(20)

    somebody_else.hook.resume(name_of(trainjob))

    assert sensor.result()["phase"] in ("Starting", "Running")


def test_a_training_is_running_and_then_suspended(watching: Any, somebody_else: Any) -> None:
    trainjob = somebody_else.submit(FOR_EVER)
    assert watching(name=name_of(trainjob), until="running").result()["phase"] == "Running"

    # It was suspended once, and says so still: Suspended=False.
    somebody_else.hook.suspend(name_of(trainjob))
    assert watching(name=name_of(trainjob), until="suspended").result()["phase"] == "Queued"
    somebody_else.hook.resume(name_of(trainjob))
    watching(name=name_of(trainjob), until="admitted").result()
    with pytest.raises(TrainJobTimeoutError):
        watching(name=name_of(trainjob), until="suspended", timeout=1).result()


def test_a_cluster_that_does_not_answer_for_a_while_is_asked_again(
    watching: Any, somebody_else: Any, proxy: Proxy
) -> None:
    trainjob = somebody_else.submit_and_end()
    proxy.fault = lambda request: status(503, "ServiceUnavailable", "etcd is gone")
    sensor = watching(name=name_of(trainjob))
    assert sensor.looked.wait(20)
    refused = len(proxy.requests)

    asyncio.run(proxy.until(lambda: len(proxy.requests) > refused))
    proxy.fault = lambda request: None

    assert sensor.result()["phase"] == "Succeeded"


def test_a_cluster_that_refuses_to_tell_fails_the_task_in_its_own_words(watching: Any, proxy: Proxy) -> None:
    words = 'trainjobs.trainer.kubeflow.org is forbidden: User "me" cannot get resource "trainjobs"'
    proxy.fault = lambda request: status(403, "Forbidden", words)

    with pytest.raises(ClusterUnreachableError, match="refused to tell.*cannot get resource"):
        watching(name="somebody").result()


def test_a_sensor_only_looks_also_when_it_is_killed(watching: Any, somebody_else: Any, proxy: Proxy) -> None:
    trainjob = somebody_else.submit(FOR_EVER)
    sensor = watching(name=name_of(trainjob), timeout=2)
    assert sensor.looked.wait(20)
    asyncio.run(proxy.until(lambda: len(proxy.requests) >= 2))

    sensor._sensor().on_kill()
    for trigger in sensor.triggers:
        asyncio.run(trigger.cleanup())
        asyncio.run(trigger.on_kill())

    with pytest.raises(TrainJobTimeoutError):
        sensor.result()
    assert {request.split()[0] for request in proxy.requests} <= {"get", "list", "watch"}
    assert name_of(somebody_else.hook.get(name_of(trainjob))) == name_of(trainjob)


def waiting_for(trainjob: dict[str, Any]) -> asyncio.Task[Any]:
    """Start the trigger of a sensor that has seen a TrainJob before it deferred."""
    trigger = TrainJobSensorTrigger(
        cluster={"kubernetes_conn_id": "watched", "namespace": "default"},
        awaited=Awaited(until="complete", name=name_of(trainjob)).to_dict(),
        seen=[asdict(Sighting.of(trainjob))],
        started=time.time(),
        deadline=time.time() + 30,
    )
    return asyncio.ensure_future(anext(trigger.run()))


async def test_one_that_is_deleted_before_the_triggerer_looks_is_missed_at_once(
    somebody_else: SomebodyElse, proxy: Proxy
) -> None:
    trainjob = await asyncio.to_thread(somebody_else.submit, suspend=True)
    await asyncio.to_thread(somebody_else.hook.delete, name_of(trainjob))

    event = waiting_for(trainjob)

    assert (await event).payload["error"] == "TrainJobDeletedError"


async def test_one_that_a_shared_watch_has_not_heard_of_is_not_taken_for_deleted(
    somebody_else: SomebodyElse, proxy: Proxy
) -> None:
    other = await asyncio.to_thread(somebody_else.submit, suspend=True)
    keeper = waiting_for(other)
    await proxy.until(lambda: len(proxy.watches) == 1)
    proxy.mute = True
    trainjob = await asyncio.to_thread(somebody_else.submit, suspend=True)

    event = waiting_for(trainjob)
    await proxy.until(lambda: proxy.count("get") == 1)
    proxy.mute = False
    await asyncio.to_thread(somebody_else.hook.resume, name_of(trainjob))

    assert (await event).payload["error"] is None
    keeper.cancel()
