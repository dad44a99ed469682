"""What the tab costs Airflow's API server does not depend on how much a training has written."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

from tests.ui.looking import Scenes

ROUNDS = 9
LOG_BYTES = 100 * 2**20


def median_seconds(scenes: Scenes) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = scenes.get("api/scenes/task-instance", run_id=scenes.runs["scenes"], task_id="running")
        taken.append(time.perf_counter() - began)
        assert answer.json()["record"]["progress"]["step"] == 860
    return statistics.median(taken)


def test_a_poll_costs_the_same_with_a_log_of_a_hundred_megabytes(scenes: Scenes) -> None:
    logs = scenes.stack.home / "logs" / "tasks"
    (log,) = logs.glob("dag_id=scenes/*/task_id=running/attempt=1.log")
    small = median_seconds(scenes)

    _lengthen(log)
    large = median_seconds(scenes)

    assert log.stat().st_size > LOG_BYTES
    assert large < max(2 * small, small + 0.1)


def _lengthen(log: Path) -> None:
    line = json.dumps({"timestamp": "2026-01-01T00:00:00Z", "level": "info", "event": "x" * 900}) + "\n"
    with log.open("a") as file:
        for _ in range(LOG_BYTES // len(line) + 1):
            file.write(line)
