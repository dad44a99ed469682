"""Workers, triggerers, connections and tokens come and go; the task has one TrainJob, and the right end."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo.airflow_api import wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.runs import TIMEOUT, Run
from tests.proxy import Proxy, status

pytestmark = pytest.mark.timeout(600)

SPARE = "triggerer-2"


@pytest.fixture(autouse=True)
def nothing_left(cluster: Any, watched: Proxy) -> Iterator[None]:
    watched.heal()
    yield
    watched.heal()


def is_creation(request: web.Request) -> bool:
    return request.method == "POST" and request.path.endswith("/trainjobs")


def reads_the_runtime(request: web.Request) -> bool:
    return "clustertrainingruntimes" in request.path


def test_a_triggerer_that_stalls_and_comes_back_ends_nothing_that_another_has_taken_over(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    script = "echo it runs; for i in $(seq 1 60); do echo line $i; sleep 0.5; done"
    ends = Run(airflow, cluster, "shell")
    ends.until_training()
    moves = Run(airflow, cluster, "shell", script)
    moves.until_training()
    airflow.pause("triggerer")
    airflow.start_component("triggerer", name=SPARE)
    try:
        wait_until(
            moves.log, lambda log: log.count("(ID ") >= 2, what="the trigger on the second triggerer", timeout=TIMEOUT
        )
        airflow.pause("triggerer", on=False)

        assert moves.until()["state"] == "success"
        lines = Counter(line for line in moves.log().splitlines() if line.startswith("line "))
        assert lines == {f"line {number}": 1 for number in range(1, 61)}
        # The first triggerer has noticed by now that both are another's.
        assert len(ends.trainjobs()) == 1
        assert ends.task()["state"] == "deferred"
        assert watched.count("delete") == 0
        ends.mark("failed")
        ends.until_trainjobs(0)
    finally:
        airflow.kill(SPARE)


def test_the_time_that_a_task_may_take_does_not_begin_anew_with_another_triggerer(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell_has_40_seconds")
    run.until_training()
    airflow.kill("triggerer")
    started = datetime.fromisoformat(run.task()["start_date"])
    wait_until(
        lambda: (datetime.now(started.tzinfo) - started).total_seconds(),
        lambda seconds: seconds > 41,
        what="the end of the task's time",
        timeout=TIMEOUT,
    )
    airflow.start_component("triggerer")

    assert run.until()["state"] == "failed"
    log = airflow.api.log(run.dag_id, run.run_id, "run")
    begun, over = (
        [datetime.fromisoformat(line.timestamp) for line in log if words in line.text][-1]
        for words in ("starting", "trigger completed")
    )
    # Anew it would be forty.
    assert (over - begun).total_seconds() < 35
    run.until_trainjobs(0)


def test_an_answer_to_the_creation_that_is_lost_makes_no_second_trainjob(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    lost: list[str] = []

    def lose_once(request: web.Request) -> bool:
        if is_creation(request) and not lost:
            lost.append(request.path)
            return True
        return False

    watched.lose = lose_once

    run = Run(airflow, cluster, "shell", "echo it runs")

    assert run.until()["state"] == "success"
    assert len(run.trainjobs()) == 1
    assert watched.count("post") >= 2
    assert "is there already: this try had created it" in run.log()


def test_a_worker_that_dies_between_creation_and_deferral_leaves_one_trainjob_the_next_tries(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    watched.hold = lambda request: 600.0 if is_creation(request) else 0.0
    run = Run(airflow, cluster, "shell_again")
    [first] = run.until_trainjobs(1)

    os.kill(run.pid(), signal.SIGKILL)
    watched.hold = lambda request: 0.0

    run.until_training(try_number=2)
    [second] = run.until_trainjobs(1)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    run.mark("failed")
    run.until_trainjobs(0)


def test_a_retry_and_a_clear_of_a_good_run_train_afresh(airflow: AirflowStack, cluster: Any) -> None:
    # The TrainJob's name has the try's number in it, by Airflow's id of the try; so its volume is new as well.
    run = Run(airflow, cluster, "shell_again", "echo it runs; exit 3")
    assert run.until("failed")["try_number"] == 2
    assert len(run.trainjobs()) == 2

    good = Run(airflow, cluster, "shell", "echo it runs")
    assert good.until()["state"] == "success"
    good.clear()
    wait_until(
        good.task,
        lambda task: (task["state"], task["try_number"]) == ("success", 2),
        what="a second good try",
        timeout=TIMEOUT,
    )
    assert len(good.trainjobs()) == 2


@pytest.mark.parametrize("dag_id", ["shell", "shell_on_worker"], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("moment", ["before the creation", "after the creation"])
def test_a_worker_that_is_told_to_go_leaves_nothing(
    airflow: AirflowStack, cluster: Any, watched: Proxy, dag_id: str, moment: str
) -> None:
    there: Callable[[], bool]
    if moment == "before the creation":
        watched.delay = lambda request: 4.0 if reads_the_runtime(request) else 0.0
        there = lambda: any("clustertrainingruntimes" in request for request in watched.requests)  # noqa: E731
    else:
        watched.hold = lambda request: 4.0 if is_creation(request) else 0.0
        there = lambda: watched.done("post") == 1  # noqa: E731
    run = Run(airflow, cluster, dag_id)
    wait_until(there, bool, what="the moment", timeout=TIMEOUT)

    os.kill(run.pid(), signal.SIGTERM)

    assert run.until("failed")["state"] == "failed"
    run.until_trainjobs(0)
    assert watched.done("post") == watched.done("delete")


def test_a_worker_that_is_told_to_go_while_it_waits_deletes_its_trainjob_once(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell_on_worker")
    run.until_training()

    os.kill(run.pid(), signal.SIGTERM)

    assert run.until("failed")["state"] == "failed"
    run.until_trainjobs(0)
    assert watched.done("delete") == 1


def test_a_token_that_is_replaced_while_a_task_waits_is_read_again(
    airflow: AirflowStack, cluster: Any, watched: Proxy, rotating: Path
) -> None:
    run = Run(airflow, cluster, "shell_rotating", "echo it runs; sleep 12; echo it ends")
    run.until_training()
    kubeconfig = watched.kubeconfig()
    kubeconfig["users"][0]["user"]["token"] = "second"
    rotating.write_text(json.dumps(kubeconfig))
    watched.fault = lambda request: (
        None if request.headers.get("Authorization") == "Bearer second" else status(401, "Unauthorized", "Unauthorized")
    )
    watched.cut()

    assert run.until()["state"] == "success"
    assert "it ends" in run.log().splitlines()


def test_what_a_training_writes_can_be_read_while_it_goes_on_and_the_task_is_deferred(
    airflow: AirflowStack, cluster: Any
) -> None:
    run = Run(
        airflow, cluster, "shell", "echo it runs; i=0; while true; do i=$((i + 1)); echo line $i; sleep 0.2; done"
    )
    run.until_training()

    for count in (3, 10):
        wait_until(run.log, lambda log, line=f"line {count}": line in log.splitlines(), what="a line", timeout=TIMEOUT)
        assert run.task()["state"] == "deferred"

    run.mark("failed")
    run.until_trainjobs(0)


def test_a_line_longer_than_any_view_is_cut_with_a_mark_and_the_whole_tries_log_is_there(
    airflow: AirflowStack, cluster: Any
) -> None:
    script = "echo it runs; python -c 'print(200000 * chr(120))'; echo after"
    run = Run(airflow, cluster, "shell", script)

    assert run.until()["state"] == "success"

    log = run.log()
    assert f"{'x' * 4000} ... [196000 more characters]" in log
    assert "after" in log.splitlines()
    # What the worker wrote before the deferral, and what the trigger wrote.
    assert "Submitting this TrainJob" in log
    assert "Succeeded" in log


def test_a_training_that_is_over_before_the_task_defers_is_told_like_any_other(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    watched.hold = lambda request: 8.0 if is_creation(request) else 0.0

    run = Run(airflow, cluster, "shell", "echo it runs; echo so soon")

    assert run.until()["state"] == "success"
    assert "so soon" in run.log().splitlines()
