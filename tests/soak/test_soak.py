"""Many trainings while everything around them dies: none is lost, doubled or left behind.

SOAK_TRAINJOBS, SOAK_SECONDS and SOAK_SEED say how many, how long harm is done, and by which dice.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.cluster import resources
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.airflow_api import RUN_ENDED, wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import NAMESPACE, Cluster
from tests.airflow.stack import airflow_stack
from tests.proxy import Proxy, proxy_in_thread
from tests.soak.audit import doubled, missing, side_by_side, wrong_owners
from tests.soak.harm import TRIGGERERS, Harm
from tests.soak.witness import witness

TRAINJOBS = int(os.environ.get("SOAK_TRAINJOBS", "20"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(10_000))
KINDS = ("trains", "trains", "trains", "fails", "goes_on", "trains", "trains", "trains", "fails", "trains")
"""What the trainings are, over and over again."""
CALM_SECONDS = 600.0
"""How long the last may take once nobody does harm any more."""
MAINTENANCE = "trainjob_maintenance"
OWN_FAULT = "UserCodeError"
LOST_BY_AIRFLOW = re.compile(r"Setting the task to failed\..* ti_id=(\S+)")
"""What its API server says of a try that is to be retried where SQLite keeps it waiting for too long."""
LINES = [f"line {number}" for number in range(1, 25)]

pytestmark = pytest.mark.timeout(SECONDS + CALM_SECONDS + 600)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path / "cluster", restart_backoff_seconds=0) as cluster:
        yield cluster


@pytest.fixture
def proxy(cluster: LocalCluster) -> Iterator[Proxy]:
    with proxy_in_thread(asyncio.run(from_kubeconfig(cluster.kubeconfig))) as proxy:
        yield proxy


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """The connection's, whose token changes."""
    return tmp_path / "kubeconfig"


@pytest.fixture
def airflow(tmp_path: Path, kubeconfig: Path) -> Iterator[AirflowStack]:
    connections = {"soaked": {"kube_config_path": str(kubeconfig)}}
    stack = airflow_stack(tmp_path / "airflow", connections=connections, dags=[Path(__file__).parent / "dags"])
    with stack:
        stack.start_component("triggerer", name=TRIGGERERS[1])
        for dag in {*KINDS, MAINTENANCE}:
            stack.wait_for_dag(dag)
        yield stack


def test_none_is_lost_doubled_or_left_behind(
    airflow: AirflowStack,
    cluster: LocalCluster,
    proxy: Proxy,
    kubeconfig: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm = Harm(airflow, cluster, proxy, kubeconfig, seed=SEED)
    runs = [(dag, airflow.api.trigger(dag)) for dag in map(_dag, range(TRAINJOBS))]
    harm.endless = [(dag, run) for dag, run in runs if dag == "goes_on"]
    beside = Cluster(cluster.directory, cluster.kubeconfig)
    with witness(beside) as two_at_once:
        harm.do_for(SECONDS)
        ended = _until_all_have_ended(airflow, harm, runs)
    removed = _maintain(airflow)
    lost = set(LOST_BY_AIRFLOW.findall((airflow.home / "logs" / "api-server.log").read_text()))
    tasks = {key: task for key in runs if (task := airflow.api.task(*key, "run"))["id"] not in lost}
    with capsys.disabled():
        sys.stdout.write(
            f"\nSeed {SEED}: {dict(harm.done)}; runs: {dict(ended)}; ended by the maintenance: {len(removed)}; "
            f"tries that Airflow could not put down for another: {len(lost)}\n"
        )

    good = {run: (str(task["id"]), int(task["try_number"])) for (dag, run), task in tasks.items() if dag == "trains"}
    assert Counter((dag, task["state"]) for (dag, _), task in tasks.items()) == Counter(
        (dag, "success" if dag == "trains" else "failed") for dag, _ in tasks
    )
    trainjobs = beside.call("get", resources.TRAINJOBS.path(namespace=NAMESPACE))["items"]
    assert wrong_owners(trainjobs, good) == []
    assert side_by_side(trainjobs) == []
    assert two_at_once == set()
    for (dag, run), task in tasks.items():
        log = airflow.api.log(dag, run, "run", try_number=task["try_number"])
        wrong = _wrong_in_log(dag, [line.text for line in log])
        assert wrong == [], "\n".join([", ".join(wrong), *(f"{line.timestamp} {line.text}" for line in log)])


def _dag(number: int) -> str:
    return KINDS[number % len(KINDS)]


def _until_all_have_ended(airflow: AirflowStack, harm: Harm, runs: list[tuple[str, str]]) -> Counter[str]:
    def states() -> Counter[str]:
        harm.mend()
        harm.end_what_goes_on()
        return Counter(airflow.api.run_state(dag, run) for dag, run in runs)

    return wait_until(
        states, lambda states: states.keys() <= RUN_ENDED, what="the end of all runs", timeout=CALM_SECONDS
    )


def _maintain(airflow: AirflowStack) -> list[dict[str, str]]:
    """End what no triggerer was there to end, as a user does, and say what that was."""
    airflow.api.unpause(MAINTENANCE)
    run = airflow.api.trigger(MAINTENANCE, conf={"kubernetes_conn_id": "soaked", "older_than_seconds": 0})
    assert airflow.api.wait_for_run(MAINTENANCE, run, timeout=CALM_SECONDS) == "success"
    removed: list[dict[str, str]] = airflow.api.xcom(MAINTENANCE, run, "remove_leftovers", "return_value")
    return removed


def _wrong_in_log(dag: str, log: list[str]) -> list[str]:
    if dag == "trains":
        return missing(log, LINES) + doubled(log, LINES)
    # What its last run wrote may be that of one which nobody wanted any more, begun before anybody could be asked.
    if dag == "fails" and not any(OWN_FAULT in line and "exit code 3" in line for line in log):
        return ["it is not said that it failed by its own fault"]
    return []
