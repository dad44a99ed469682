"""Tasks whose TrainJobs wait in a queue of the real Kueue: what they are told of it, and what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.exceptions import TrainJobNotStartedError
from airflow_kubeflow_trainer.sensors.trainjob import TrainJobSensor
from airflow_kubeflow_trainer.trainjob.queue import PRIORITY_LABEL, QUEUE_LABEL
from demo.airflow_api import wait_until
from tests.airflow.administration import NAMESPACE
from tests.kueue.plane import KueuePlane
from tests.kueue.queues import Queue
from tests.kueue.trainings import COMMON, RUNS, end_training, train
from tests.kueue.tries import TIMEOUT, Try

NO_QUOTA = (
    "Pending: couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor "
    "default-flavor, 1 more needed"
)
ADMITTED = "Admitted: The workload is admitted"

MakeQueue = Callable[[int], Queue]


def labels(plane: KueuePlane, name: str) -> dict[str, str]:
    found: dict[str, str] = plane.call("get", TRAINJOBS.path(namespace=NAMESPACE, name=name))["metadata"]["labels"]
    return found


def test_a_task_waits_for_quota_that_another_has_and_is_told_why_then_trains(
    plane: KueuePlane, queue: MakeQueue
) -> None:
    narrow = queue(1)
    first = train(narrow.name)
    first.until_told(RUNS)

    second = train(narrow.name)
    second.until_told(NO_QUOTA)

    assert second.phases() == ["Queued"]
    assert second.kueue() == [NO_QUOTA]
    assert labels(plane, second.name)[QUEUE_LABEL] == narrow.name
    end_training(first)
    first.outcome()
    second.until_told(ADMITTED, RUNS)
    end_training(second)
    second.outcome()
    assert second.phases() == ["Queued", "Starting", "Running", "Succeeded"]
    assert second.kueue() == [NO_QUOTA, ADMITTED]
    assert (first.log.alarms, second.log.alarms) == ([], [])


def test_the_time_to_start_does_not_run_in_the_queue_and_a_sensor_sees_the_admission(queue: MakeQueue) -> None:
    closed = queue(0)
    seconds = 20
    waits = train(closed.name, startup_timeout=seconds)
    waits.until_told("Kueue: Pending:")
    queued = time.monotonic()
    with DAG("d"):
        sensor = Try(TrainJobSensor(name=waits.name, until="admitted", **COMMON))
    wait_until(
        lambda: time.monotonic() - queued, lambda past: past > seconds + 2, what="the time to start", timeout=TIMEOUT
    )
    assert (waits.waits, sensor.waits) == (True, True)

    closed.grow(gpus=1)

    assert sensor.outcome()["name"] == waits.name
    waits.until_told(RUNS)
    end_training(waits)
    waits.outcome()


def test_a_queue_without_end_is_left_by_admission_timeout_in_kueues_words(plane: KueuePlane, queue: MakeQueue) -> None:
    waits = train(queue(0).name, admission_timeout=5)

    with pytest.raises(TrainJobNotStartedError, match=r"(?s)admission_timeout \(5 s\).*Kueue: couldn't assign flavors"):
        waits.outcome()

    gone = TRAINJOBS.path(namespace=NAMESPACE)
    assert waits.name not in {job["metadata"]["name"] for job in plane.call("get", gone)["items"]}


def test_who_is_driven_out_by_something_more_important_waits_again_and_ends_well(
    plane: KueuePlane, queue: MakeQueue
) -> None:
    narrow = queue(1)
    humble = train(narrow.name, workload_priority_class="background")
    humble.until_told(RUNS, ADMITTED, ": Running")

    urgent = train(narrow.name, workload_priority_class="urgent")

    urgent.until_told(RUNS)
    assert labels(plane, urgent.name)[PRIORITY_LABEL] == "urgent"
    humble.until_told(NO_QUOTA)
    assert humble.waits
    end_training(urgent)
    urgent.outcome()
    humble.until(lambda log: log.splitlines().count(RUNS) == 2, what="the training anew")
    end_training(humble)
    humble.outcome()
    assert humble.kueue() == [
        ADMITTED,
        "Preempted: Preempted to accommodate a workload",
        "Requeued",
        NO_QUOTA,
        ADMITTED,
    ]
    # That it was queued before is not seen where it is admitted at once.
    assert humble.phases()[-6:] == ["Starting", "Running", "Queued", "Starting", "Running", "Succeeded"]
    assert humble.log.alarms == []
