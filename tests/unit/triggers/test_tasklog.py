"""What Airflow's log is told of a TrainJob: with which level, and of which moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.triggers.tasklog import TaskLogReporter

MOMENT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Log:
    """A log of Airflow's, kept."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda text, **fields: self.told.append((level, text, fields))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def reporter(log: Log) -> TaskLogReporter:
    return TaskLogReporter(log, name="llama-1", namespace="ml")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        pytest.param("1|12|Loss: 1.79", "info", id="progress"),
        pytest.param("train.py:3: UserWarning: no GPU", "warning", id="a warning"),
        pytest.param("RuntimeError: CUDA error: out of memory", "error", id="an error"),
    ],
)
def test_a_line_keeps_its_level_and_the_moment_when_it_was_written(
    log: Log, reporter: TaskLogReporter, text: str, level: str
) -> None:
    reporter.line(LogLine("pod", MOMENT, text))

    assert log.told == [(level, text, {"timestamp": "2026-01-01T12:00:00.123456+00:00"})]


def test_a_line_of_another_pod_names_it(log: Log, reporter: TaskLogReporter) -> None:
    reporter.line(LogLine("pod", MOMENT, "fetching", step="dataset-initializer"))

    assert log.told[0][1] == "[dataset-initializer] fetching"


def test_each_phase_is_one_line_with_its_reason_and_a_failure_an_error(log: Log, reporter: TaskLogReporter) -> None:
    reporter.phase(PhaseReport(Phase.QUEUED, "Suspended", "TrainJob is suspended"))
    reporter.phase(PhaseReport(Phase.RUNNING))
    reporter.phase(PhaseReport(Phase.FAILED, "FailedJobs", "jobset failed"))

    assert [(level, text) for level, text, _ in log.told] == [
        ("info", "TrainJob ml/llama-1: Queued (Suspended: TrainJob is suspended)"),
        ("info", "TrainJob ml/llama-1: Running"),
        ("error", "TrainJob ml/llama-1: Failed (FailedJobs: jobset failed)"),
    ]
