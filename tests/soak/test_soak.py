"""Many trainings while everything around them dies: none is lost, doubled or left behind.

SOAK_TRAINJOBS, SOAK_SECONDS and SOAK_SEED say how many, how long harm is done, and by which dice.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.airflow_api import RUN_ENDED, LogLine, wait_until
from demo.airflow_stack import AirflowStack
from tests.airflow.administration import NAMESPACE, Cluster
from tests.airflow.stack import airflow_stack
from tests.proxy import Proxy, proxy_in_thread
from tests.soak.audit import side_by_side, wrong_lines, wrong_owners
from tests.soak.harm import TRIGGERERS, Harm

TRAINJOBS = int(os.environ.get("SOAK_TRAINJOBS", "20"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(10_000))
ONE_IN = 5
"""Of so many one fails."""
CALM_SECONDS = 600.0
"""How long the last may take once nobody does harm any more."""
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
        stack.wait_for_dag("trains")
        stack.wait_for_dag("fails")
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
    harm.do_for(SECONDS)

    def states() -> Counter[str]:
        harm.mend()
        return Counter(airflow.api.run_state(dag, run) for dag, run in runs)

    ended = wait_until(
        states,
        lambda states: states.keys() <= RUN_ENDED,
        what="the end of all runs",
        timeout=CALM_SECONDS,
    )
    with capsys.disabled():
        sys.stdout.write(f"\nSeed {SEED}: {dict(harm.done)}; runs: {dict(ended)}\n")

    tasks = {(dag, run): airflow.api.task(dag, run, "run") for dag, run in runs}
    good = {run: (str(task["id"]), int(task["try_number"])) for (dag, run), task in tasks.items() if dag == "trains"}
    assert Counter((dag, task["state"]) for (dag, _), task in tasks.items()) == Counter(
        (dag, "success" if dag == "trains" else "failed") for dag, _ in runs
    )
    trainjobs = Cluster(cluster.directory, cluster.kubeconfig).call(
        "get", f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"
    )["items"]
    assert wrong_owners(trainjobs, good) == []
    assert side_by_side(trainjobs) == []
    logs = {run: _log(airflow, dag, run, task["try_number"]) for (dag, run), task in tasks.items() if dag == "trains"}
    for log in logs.values():
        wrong = wrong_lines([line.text for line in log], LINES)
        assert wrong == [], "\n".join([", ".join(wrong), *(f"{line.timestamp} {line.text}" for line in log)])


def _dag(number: int) -> str:
    return "fails" if number % ONE_IN == ONE_IN - 1 else "trains"


def _log(airflow: AirflowStack, dag: str, run: str, try_number: int) -> list[LogLine]:
    return airflow.api.log(dag, run, "run", try_number=try_number)
