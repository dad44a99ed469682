"""The example DAGs of dags/digits.py, run on whatever cluster."""

from __future__ import annotations

from typing import Any

from demo.airflow_stack import AirflowStack
from tests.airflow.administration import Cluster

TIMEOUT = 300.0
# Small enough for a machine of two cores, where scikit-learn is installed.
CONF: dict[str, Any] = {"packages": [], "resources": {"cpu": "300m"}}


def train_on_two_nodes(airflow: AirflowStack, cluster: Cluster) -> None:
    run_id = airflow.api.trigger("train_digits", conf=CONF | {"epochs": 10})

    task = airflow.api.wait_for_task("train_digits", run_id, "train_digits", timeout=TIMEOUT)

    lines = [line.text for line in airflow.api.log("train_digits", run_id, "train_digits")]
    assert task["state"] == "success", "\n".join(lines)
    assert [line.split(" ")[0] for line in lines if line.startswith("epoch=")] == [f"epoch={n}" for n in range(1, 11)]
    result = airflow.api.xcom("train_digits", run_id, "train_digits", "return_value")
    assert result["accuracy"] > 0.9
    assert result["processes"] == 2
    # The function is annotated to return a dict: each of its keys is an XCom.
    assert airflow.api.xcom("train_digits", run_id, "train_digits", "learning_rate") == 0.1
    [trainjob] = cluster.trainjobs("train_digits", run_id)
    assert trainjob["spec"]["trainer"]["numNodes"] == 2


def sweep_learning_rates(airflow: AirflowStack, cluster: Cluster) -> None:
    rates = {"nodes": 1, "epochs": 5, "learning_rates": [0.00001, 0.1]}
    run_id = airflow.api.trigger("sweep_digits", conf=CONF | rates)

    assert airflow.api.wait_for_run("sweep_digits", run_id, timeout=TIMEOUT) == "success"

    best = airflow.api.xcom("sweep_digits", run_id, "best", "return_value")
    assert best["learning_rate"] == 0.1
    others = [airflow.api.xcom("sweep_digits", run_id, "train_digits", "accuracy", map_index=n) for n in (0, 1)]
    assert best["accuracy"] == others[1] > others[0]
    assert len(cluster.trainjobs("sweep_digits", run_id)) == 2
