"""Workers, triggerers, connections and tokens come and go; the task has one TrainJob, and the right end."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from demo.airflow_api import wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import has_ended
from tests.airflow.runs import TIMEOUT, Nap, Run
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


def is_for_all(request: web.Request) -> bool:
    """Whether it lists or watches."""
    return request.method == "GET" and request.path.endswith(("/trainjobs", "/pods"))


def connections(pid: int, proxy: Proxy) -> list[Any]:
    """What a process has open to a cluster."""
    port = int(proxy.server.rpartition(":")[2])
    return [one for one in psutil.Process(pid).net_connections() if one.raddr and one.raddr.port == port]


def reads_the_runtime(request: web.Request) -> bool:
    return "clustertrainingruntimes" in request.path


@contextmanager
def stalled(airflow: AirflowStack, run: Run) -> Iterator[None]:
    """Have the triggerer stand still, and a second one take over this run's trigger; both as before in the end."""
    airflow.pause("triggerer")
    airflow.start_component("triggerer", name=SPARE)
    try:
        wait_until(
            run.log, lambda log: log.count("(ID ") >= 2, what="the trigger on the second triggerer", timeout=TIMEOUT
        )
        yield
    finally:
        airflow.pause("triggerer", on=False)
        airflow.kill(SPARE)


def test_a_triggerer_that_stalls_and_comes_back_ends_nothing_that_another_has_taken_over(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    script = "echo it runs; for i in $(seq 1 60); do sleep 0.5; echo line $i; done"
    ends = Run(airflow, cluster, "shell")
    ends.until_training()
    moves = Run(airflow, cluster, "shell", script)
    moves.until_training()
    with stalled(airflow, moves):
        airflow.pause("triggerer", on=False)

        assert moves.until()["state"] == "success"
        lines = Counter(line for line in moves.log().splitlines() if line.startswith("line "))
        assert lines == {f"line {number}": 1 for number in range(1, 61)}
        # The first triggerer has noticed that both are another's.
        wait_until(
            ends.log,
            lambda log: "is left alone: its try goes on elsewhere" in log or "The task was ended" in log,
            what="the end of the trigger on the first triggerer",
            timeout=TIMEOUT,
        )
        assert len(ends.trainjobs()) == 1
        assert ends.task()["state"] == "deferred"
        assert watched.count("delete") == 0
        ends.mark("failed")
        ends.until_trainjobs(0)


def test_a_triggerer_that_stalls_while_another_one_sees_the_end_deletes_nothing_when_it_comes_back(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    nap = Nap()
    run = Run(airflow, cluster, "shell", f"echo it runs; {nap}; echo it ends")
    run.until_training()
    with stalled(airflow, run):
        # The first one hears of nothing that comes now, and when it goes on it does not hear of it either.
        watched.cut()
        nap.end()
        assert run.until()["state"] == "success"
        watched.fault = lambda request: status(503, "ServiceUnavailable") if is_for_all(request) else None
        airflow.pause("triggerer", on=False)

        wait_until(
            run.log, lambda log: "The task was ended" in log, what="the end of the first one's trigger", timeout=TIMEOUT
        )
        assert len(run.trainjobs()) == 1
        assert watched.count("delete") == 0
        assert run.log().splitlines().count("it ends") == 1


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


def test_a_retry_after_a_failure_trains_afresh(airflow: AirflowStack, cluster: Any) -> None:
    # The TrainJob's name has the try's number in it, by Airflow's id of the try; so its volume is new as well.
    run = Run(airflow, cluster, "shell_again", "echo it runs; exit 3")

    assert run.until("failed")["try_number"] == 2
    assert [has_ended(trainjob) for trainjob in run.trainjobs()] == [True, True]


@pytest.mark.parametrize(("code", "state"), [(0, "success"), (3, "failed")], ids=["a good run", "a failed run"])
def test_a_clear_of_a_run_that_has_ended_trains_afresh(
    airflow: AirflowStack, cluster: Any, watched: Proxy, code: int, state: str
) -> None:
    run = Run(airflow, cluster, "shell", f"echo it runs; exit {code}")
    assert run.until_over() == state

    run.clear()

    wait_until(
        run.task,
        lambda task: (task["state"], task["try_number"]) == (state, 2),
        what="the end of a second try",
        timeout=TIMEOUT,
    )
    assert [has_ended(trainjob) for trainjob in run.trainjobs()] == [True, True]
    assert watched.count("delete") == 0


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


@pytest.mark.parametrize("dag_id", ["shell", "shell_on_worker"], ids=["deferred", "on the worker"])
def test_a_worker_that_is_told_to_go_while_it_waits_for_an_answer_of_airflows_deletes_its_trainjob(
    airflow: AirflowStack, cluster: Any, watched: Proxy, dag_id: str
) -> None:
    watched.hold = lambda request: 6.0 if is_creation(request) else 0.0
    run = Run(airflow, cluster, dag_id)
    wait_until(lambda: watched.done("post") == 1, bool, what="the creation", timeout=TIMEOUT)
    pid = run.pid()
    airflow.pause("api-server")
    try:
        # It has its TrainJob, has not deferred, and is telling Airflow of it.
        wait_until(
            lambda: connections(pid, watched), lambda open_ones: not open_ones, what="the answer", timeout=TIMEOUT
        )
        os.kill(pid, signal.SIGTERM)

        run.until_trainjobs(0)
    finally:
        airflow.pause("api-server", on=False)
    assert run.until("failed")["state"] == "failed"
    assert watched.done("post") == watched.done("delete") == 1


def test_a_worker_that_is_told_to_go_while_it_waits_deletes_its_trainjob_once(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell_on_worker")
    run.until_training()

    os.kill(run.pid(), signal.SIGTERM)

    assert run.until("failed")["state"] == "failed"
    run.until_trainjobs(0)
    assert watched.done("delete") == 1


def test_a_token_that_is_replaced_while_a_task_waits_is_read_again_each_time(
    airflow: AirflowStack, cluster: Any, watched: Proxy, rotating: Path
) -> None:
    nap = Nap()
    run = Run(airflow, cluster, "shell_rotating", f"echo it runs; {nap}; echo it ends")
    run.until_training()
    for token in ("second", "third", "fourth"):
        kubeconfig = watched.kubeconfig()
        kubeconfig["users"][0]["user"]["token"] = token
        rotating.write_text(json.dumps(kubeconfig))
        admitted: list[str] = []

        def refuse(request: web.Request, valid: str = f"Bearer {token}", seen: list[str] = admitted) -> Any:
            if request.headers.get("Authorization") != valid:
                return status(401, "Unauthorized", "Unauthorized")
            seen.append(request.path)
            return None

        watched.fault = refuse
        watched.cut()
        wait_until(lambda seen=admitted: seen, bool, what=f"a request with the {token} token", timeout=TIMEOUT)
    nap.end()

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


def test_a_training_that_writes_faster_than_airflow_reads_holds_up_no_trigger_and_loses_no_line(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    lines = [f"line {number}" for number in range(1, 3001)]
    nap = Nap()
    run = Run(airflow, cluster, "shell", f"echo it runs; {nap}; for i in $(seq 1 {len(lines)}); do echo line $i; done")
    run.until_training()
    # It reads what triggers log; the triggers themselves run in a process of its own.
    supervisor = airflow.supervisor("triggerer")
    supervisor.suspend()
    try:
        before = watched.count("list")
        nap.end()
        # Who waits asks for the pods when the TrainJob has ended: the event loop still turns.
        wait_until(lambda: watched.count("list") > before, bool, what="a sign of the trigger", timeout=TIMEOUT)
    finally:
        supervisor.resume()

    assert run.until()["state"] == "success"
    assert [line for line in run.log().splitlines() if line.startswith("line ")] == lines


@pytest.mark.parametrize(
    ("code", "state", "said"),
    # Of one that failed the pods, and their logs with them, may be gone by then.
    [(0, "success", "so soon"), (3, "failed", "TrainJobFailedError: TrainJob")],
    ids=["well", "badly"],
)
def test_a_training_that_is_over_before_the_task_defers_is_told_like_any_other(
    airflow: AirflowStack, cluster: Any, watched: Proxy, code: int, state: str, said: str
) -> None:
    watched.hold = lambda request: 6.0 if is_creation(request) else 0.0
    run = Run(airflow, cluster, "shell", f"echo it runs; echo so soon; exit {code}")
    wait_until(lambda: watched.done("post") == 1, bool, what="the creation", timeout=TIMEOUT)
    worker = psutil.Process(run.pid())
    worker.suspend()
    try:
        wait_until(run.trainjobs, lambda jobs: has_ended(jobs[0]), what="the end of the training", timeout=TIMEOUT)
    finally:
        worker.resume()

    assert run.until()["state"] == state
    assert said in run.log()
