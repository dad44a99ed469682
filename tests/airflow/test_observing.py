"""TrainJobs that somebody else submits, seen by the example DAGs: one waits for a TrainJob, one is woken by its end."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

import pytest

from demo.airflow_api import wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import Cluster, has_ended
from tests.airflow.told import NOTIFY, Told, new_name

TIMEOUT = 120.0
REMEMBERS = os.environ.get("AIRFLOW_VERSION") not in ("3.1", "3.2")
"""Whether this Airflow keeps what a trigger has told."""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def told(airflow: AirflowStack, cluster: Cluster) -> Iterator[Told]:
    airflow.wait_for_dag("when_a_trainjob_ends")
    return Told(airflow, cluster)


def test_a_dag_waits_for_a_trainjob_that_is_submitted_later(airflow: AirflowStack, cluster: Cluster) -> None:
    airflow.wait_for_dag("wait_for_trainjob")
    name = new_name()
    run_id = airflow.api.trigger("wait_for_trainjob", conf={"trainjob": name})
    airflow.api.wait_for_task("wait_for_trainjob", run_id, "trained", "deferred", timeout=TIMEOUT)

    trainjob = cluster.submit(name)

    assert airflow.api.wait_for_run("wait_for_trainjob", run_id, timeout=TIMEOUT) == "success"
    seen = airflow.api.xcom("wait_for_trainjob", run_id, "trained", "return_value")
    assert (seen["uid"], seen["phase"]) == (trainjob["metadata"]["uid"], "Succeeded")
    assert airflow.api.xcom("wait_for_trainjob", run_id, "use", "return_value") == f"default/{name} is Succeeded"


def test_a_trainjob_outlives_the_sensor_that_waits_for_it(airflow: AirflowStack, cluster: Cluster) -> None:
    airflow.wait_for_dag("wait_for_trainjob")
    name = new_name()
    trainjob = cluster.submit(name, "exec sleep 1000")
    run_id = airflow.api.trigger("wait_for_trainjob", conf={"trainjob": name})
    airflow.api.wait_for_task("wait_for_trainjob", run_id, "trained", "deferred", timeout=TIMEOUT)

    airflow.api.set_task_state("wait_for_trainjob", run_id, "trained", "failed")

    airflow.api.wait_for_run("wait_for_trainjob", run_id, timeout=TIMEOUT)
    # As long as it takes a triggerer to cancel the trigger, and to be asked for another sensor.
    again = airflow.api.trigger("wait_for_trainjob", conf={"trainjob": name})
    airflow.api.wait_for_task("wait_for_trainjob", again, "trained", "deferred", timeout=TIMEOUT)
    now = cluster.trainjob(name)
    assert (now["metadata"]["uid"], now["spec"]["suspend"]) == (trainjob["metadata"]["uid"], False)
    cluster.delete(name)
    airflow.api.wait_for_task("wait_for_trainjob", again, "trained", "failed", timeout=TIMEOUT)
    log = "\n".join(line.text for line in airflow.api.log("wait_for_trainjob", again, "trained"))
    assert f"TrainJobDeletedError: TrainJob default/{name} was deleted" in log


def test_a_dag_is_woken_by_the_end_of_a_trainjob_and_told_which_it_was(airflow: AirflowStack, told: Told) -> None:
    name = told.end_one_that_is_told()

    payload = told.until(name)
    assert (payload["outcome"], payload["labels"]) == ("complete", NOTIFY)
    run_ids = wait_until(
        lambda: [
            run["run_id"]
            for event in told.events()
            if event["extra"]["payload"]["name"] == name
            for run in event["created_dagruns"]
        ],
        bool,
        what=f"a run for the end of {name}",
        timeout=TIMEOUT,
    )
    assert airflow.api.wait_for_run("when_a_trainjob_ends", run_ids[0], timeout=TIMEOUT) == "success"
    report = airflow.api.xcom("when_a_trainjob_ends", run_ids[0], "report", "return_value")
    assert payload["uid"] in [each["uid"] for each in report]


def test_a_triggerer_that_dies_repeats_no_event_and_loses_none_where_airflow_remembers(
    airflow: AirflowStack, cluster: Cluster, told: Told
) -> None:
    before = told.end_one_that_is_told()
    if REMEMBERS:
        wait_until(
            lambda: state_of_assets(airflow),
            lambda state: told.until(before)["uid"] in state,
            what="a memory",
            timeout=TIMEOUT,
        )
    airflow.kill("triggerer")
    meanwhile = new_name()
    cluster.submit(meanwhile, labels=NOTIFY)
    wait_until(lambda: cluster.trainjob(meanwhile), has_ended, what="the end of a TrainJob", timeout=TIMEOUT)

    airflow.start_component("triggerer")

    if REMEMBERS:
        assert told.until(meanwhile)["outcome"] == "complete"
    later = told.end_one_that_is_told()
    counts = told.counts()
    assert {name: counts[name] for name in (before, meanwhile, later)} == {
        before: 1,
        meanwhile: int(REMEMBERS),
        later: 1,
    }
    assert set(counts.values()) == {1}


def state_of_assets(airflow: AirflowStack) -> str:
    """What Airflow has stored of its assets' states."""
    with contextlib.closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        return str(database.execute("SELECT value FROM asset_state_store").fetchall())
