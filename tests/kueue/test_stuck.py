"""What Kueue 0.15 takes away of TrainJobs, and that it cannot resume some: found out, and told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_kubeflow_trainer import CustomTrainerOperator
from airflow_kubeflow_trainer.config import PersistentVolumeOutput
from airflow_kubeflow_trainer.exceptions import TrainJobNotStartedError
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions
from tests.kueue.queues import Queue
from tests.kueue.test_queueing import ADMITTED
from tests.kueue.trainings import RUNS, end_training, train

STUCK = "Kueue has admitted it, and its pods are still held back"
OURS = "the operator's patch of its pods (the volume of an output, labels)"
LOST = "On its way through the queue it has lost {}. Kueue 0.15"

MakeQueue = Callable[[int], Queue]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a busy cluster may take half a minute for takes a second here."""
    monkeypatch.setattr("airflow_kubeflow_trainer.cluster.queueing.STUCK_SECONDS", 5)


def test_who_is_admitted_and_stays_suspended_is_told_so_with_what_it_has_lost(queue: MakeQueue) -> None:
    keeps = train(queue(1).name, startup_timeout=20, output=PersistentVolumeOutput("models"))

    with pytest.raises(
        TrainJobNotStartedError, match=rf"startup_timeout \(20 s\).*{STUCK}; it has lost {re.escape(OURS)}"
    ):
        keeps.outcome()

    assert keeps.kueue() == [ADMITTED]
    lost, stuck = (text.split(": ", 1)[1] for text in keeps.log.alarms[:2])
    assert lost.startswith(LOST.format(OURS))
    assert stuck.startswith(f"{STUCK}. Kueue 0.15")


class Hurried(CustomTrainerOperator):
    """An operator of somebody's own, whose TrainJobs end after an hour."""

    def build_manifest(self, options: JobOptions) -> dict[str, Any]:
        manifest = super().build_manifest(options)
        manifest["spec"]["activeDeadlineSeconds"] = 3600
        return manifest


def test_a_deadline_that_is_lost_in_the_queue_is_told_and_the_training_ends_well(queue: MakeQueue) -> None:
    hurried = train(queue(1).name, of=Hurried)

    hurried.until_told(ADMITTED, RUNS)

    end_training(hurried)
    hurried.outcome()
    (lost,) = hurried.log.alarms
    assert LOST.format("activeDeadlineSeconds (3600)") in lost
