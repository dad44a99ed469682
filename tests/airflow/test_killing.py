"""What becomes of a TrainJob when something ends its task: REST calls in, requests to the cluster out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from demo.airflow_api import wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.runs import TIMEOUT, Run
from tests.proxy import Proxy

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def nothing_left(cluster: Any, watched: Proxy) -> Iterator[None]:
    watched.heal()
    yield
    watched.heal()


def deletions(watched: Proxy) -> Counter[str]:
    """How often the deletion of each TrainJob was asked for, in vain or not; each try's has a name of its own."""
    asked = (request.split("/")[-1] for request in watched.requests if request.startswith("delete trainjobs/"))
    return Counter(asked)


@pytest.mark.every_airflow
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_task_that_is_marked_while_deferred_has_its_trainjob_deleted_once(
    airflow: AirflowStack, cluster: Any, watched: Proxy, state: str
) -> None:
    run = Run(airflow, cluster, "shell")
    run.until_training()
    [trainjob] = run.trainjobs()

    run.mark(state)

    run.until_trainjobs(0)
    assert deletions(watched) == {trainjob["metadata"]["name"]: 1}
    assert run.task()["state"] == state


@pytest.mark.every_airflow
def test_a_task_that_is_cleared_while_deferred_trains_again_and_once(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell")
    run.until_training()
    [first] = run.trainjobs()

    run.clear()

    run.until_training(try_number=2)
    [second] = run.until_trainjobs(1)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    # The old trigger and the new try may both ask for it.
    assert watched.done("delete") == 1
    assert set(deletions(watched)) == {first["metadata"]["name"]}
    run.mark("failed")
    run.until_trainjobs(0)


def test_twenty_clears_leave_one_trainjob_that_its_task_waits_for(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell")
    run.until_training()
    for _ in range(20):
        run.clear()
        wait_until(
            lambda: run.task()["state"], lambda state: state == "deferred", what="a deferred task", timeout=TIMEOUT
        )

    wait_until(
        lambda: (
            [job["metadata"]["uid"] for job in run.trainjobs()],
            [(airflow.api.xcom(run.dag_id, run.run_id, "run", "trainjob") or {}).get("uid")],
        ),
        lambda seen: seen[0] == seen[1],
        what="one TrainJob, the task's own",
        timeout=TIMEOUT,
    )
    run.until_training(try_number=21)
    [last] = run.trainjobs()
    # Each of the twenty before it was deleted once.
    assert watched.done("post") == 21
    assert watched.done("delete") == 20
    assert last["metadata"]["name"] not in deletions(watched)
    run.mark("failed")
    run.until_trainjobs(0)


def test_a_trigger_that_is_cancelled_after_the_next_try_has_begun_deletes_its_own_trainjob_only(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell")
    run.until_training()
    [first] = run.trainjobs()
    # SQLite gives the id of a trigger that is gone to the next one, but for those below the highest.
    above = Run(airflow, cluster, "shell")
    above.until_training()
    airflow.pause("triggerer")
    try:
        run.clear()
        run.until("deferred")
        [second] = run.trainjobs()
    finally:
        airflow.pause("triggerer", on=False)

    wait_until(
        run.log,
        lambda log: "is gone already" in log or "The task was ended" in log,
        what="the end of the old trigger",
        timeout=TIMEOUT,
    )
    run.until_training(try_number=2)
    assert [trainjob["metadata"]["uid"] for trainjob in run.trainjobs()] == [second["metadata"]["uid"]]
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert watched.done("delete") == 1
    assert set(deletions(watched)) == {first["metadata"]["name"]}
    for one in (run, above):
        one.mark("failed")
        one.until_trainjobs(0)


def test_a_delete_that_takes_five_seconds_still_happens(airflow: AirflowStack, cluster: Any, watched: Proxy) -> None:
    run = Run(airflow, cluster, "shell")
    run.until_training()
    watched.delay = lambda request: 5.0 if request.method == "DELETE" else 0.0

    run.mark("failed")

    run.until_trainjobs(0)
    assert watched.count("delete") == 1


@pytest.mark.parametrize(("dag_id", "suspended"), [("shell_suspends", True), ("shell_keeps", False)])
def test_a_task_may_leave_its_trainjob_suspended_or_alone(
    airflow: AirflowStack, cluster: Any, watched: Proxy, dag_id: str, suspended: bool
) -> None:
    run = Run(airflow, cluster, dag_id)
    run.until_training()

    run.mark("failed")

    what = "suspended" if suspended else "kept"
    wait_until(run.log, lambda seen: what in seen, what=f"a line that says {what}", timeout=TIMEOUT)
    [trainjob] = run.trainjobs()
    assert bool(trainjob["spec"].get("suspend")) is suspended
    assert watched.count("delete") == 0


@pytest.mark.parametrize("dag_id", ["shell_hurries", "shell_hurries_on_worker"], ids=["deferred", "on the worker"])
def test_a_task_that_runs_out_of_time_fails_and_leaves_nothing(
    airflow: AirflowStack, cluster: Any, watched: Proxy, dag_id: str
) -> None:
    run = Run(airflow, cluster, dag_id)

    task = airflow.api.wait_for_task(run.dag_id, run.run_id, "run", timeout=TIMEOUT)

    assert task["state"] == "failed"
    assert "execution_timeout" in run.log()
    run.until_trainjobs(0)
    assert watched.count("delete") == 1


def test_a_task_that_runs_out_of_time_before_its_creation_is_answered_leaves_nothing(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    watched.hold = lambda request: 600.0 if request.method == "POST" else 0.0
    run = Run(airflow, cluster, "shell_hurries")
    run.until_trainjobs(1)

    assert run.until("failed")["state"] == "failed"

    run.until_trainjobs(0)
    assert watched.done("post") == watched.done("delete") == 1


def test_a_task_whose_time_runs_out_while_no_triggerer_lives_leaves_nothing(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    airflow.wait_for_dag("shell_impatient")
    airflow.kill("triggerer")
    run = Run(airflow, cluster, "shell_impatient")
    run.until("deferred")
    run.until_trainjobs(1)

    assert run.until("failed")["state"] == "failed"

    run.until_trainjobs(0)
    assert watched.done("delete") == 1
    airflow.start_component("triggerer")


def test_a_run_that_runs_out_of_time_leaves_nothing(airflow: AirflowStack, cluster: Any, watched: Proxy) -> None:
    run = Run(airflow, cluster, "shell_run_hurries")

    assert airflow.api.wait_for_run(run.dag_id, run.run_id, timeout=TIMEOUT) == "failed"

    run.until_trainjobs(0)
    assert watched.count("delete") == 1


def test_a_task_on_a_worker_that_is_marked_failed_leaves_nothing(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell_on_worker")
    run.until_training()

    run.mark("failed")

    run.until_trainjobs(0)
    assert watched.count("delete") == 1


def test_two_tasks_on_one_watch_have_each_their_own_log_and_both_their_end(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    first = Run(airflow, cluster, "shell", "echo it runs; echo alpha one; sleep 4; echo alpha two")
    second = Run(airflow, cluster, "shell", "echo it runs; echo beta one; sleep 12; echo beta two")

    for run in (first, second):
        assert airflow.api.wait_for_task(run.dag_id, run.run_id, "run", timeout=TIMEOUT)["state"] == "success"

    logs = [run.log().splitlines() for run in (first, second)]
    written = [[line for line in log if re.fullmatch("(alpha|beta) (one|two)", line)] for log in logs]
    assert written == [["alpha one", "alpha two"], ["beta one", "beta two"]]


def test_a_triggerer_that_dies_is_taken_over_and_no_line_is_lost_or_doubled(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    run = Run(airflow, cluster, "shell", "echo it runs; for i in $(seq 1 40); do sleep 0.5; echo line $i; done")
    run.until_training()

    airflow.kill("triggerer")
    airflow.start_component("triggerer")

    assert airflow.api.wait_for_task(run.dag_id, run.run_id, "run", timeout=TIMEOUT)["state"] == "success"
    lines = Counter(line for line in run.log().splitlines() if line.startswith("line "))
    assert lines == {f"line {number}": 1 for number in range(1, 41)}
    assert len(run.trainjobs()) == 1
    assert watched.count("delete") == 0


@pytest.mark.every_airflow
def test_what_no_triggerer_was_there_to_end_is_ended_by_the_maintenance_dag(
    airflow: AirflowStack, cluster: Any, watched: Proxy
) -> None:
    orphaned = Run(airflow, cluster, "shell")
    orphaned.until_training()
    waited_for = Run(airflow, cluster, "shell")
    waited_for.until_training()
    airflow.kill("triggerer")
    orphaned.mark("failed")
    airflow.start_component("triggerer")
    airflow.wait_for_dag("trainjob_maintenance")
    airflow.api.unpause("trainjob_maintenance")

    conf = {"kubernetes_conn_id": "watched", "older_than_seconds": 0}
    run_id = airflow.api.trigger("trainjob_maintenance", conf=conf)

    assert airflow.api.wait_for_run("trainjob_maintenance", run_id, timeout=TIMEOUT) == "success"
    [removed] = airflow.api.xcom("trainjob_maintenance", run_id, "remove_leftovers", "return_value")
    assert (removed["done"], orphaned.run_id in removed["why"]) == ("was deleted", True)
    assert orphaned.trainjobs() == []
    assert len(waited_for.trainjobs()) == 1
    # Before it has begun anew nobody hears of a mark.
    wait_until(
        lambda: waited_for.log().count(") starting"), lambda times: times == 2, what="its trigger", timeout=TIMEOUT
    )
    waited_for.mark("failed")
    waited_for.until_trainjobs(0)
