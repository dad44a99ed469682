"""Training functions through real scheduler, triggerer and API server, on the local cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.airflow_stack import AirflowStack
from tests.airflow import digits
from tests.airflow.administration import Cluster

# On a busy machine; the first test waits for the start of Airflow too.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def parsed(airflow: AirflowStack) -> None:
    for dag_id in ("train_digits", "sweep_digits", "function"):
        airflow.wait_for_dag(dag_id)


def test_pytorch_trains_on_two_nodes_and_returns_its_accuracy(airflow: AirflowStack, cluster: Cluster) -> None:
    digits.train_on_two_nodes(airflow, cluster)


def test_a_sweep_maps_the_training_over_learning_rates_and_chooses_the_best(
    airflow: AirflowStack, cluster: Cluster
) -> None:
    digits.sweep_learning_rates(airflow, cluster)


def test_what_airflow_knows_and_what_json_lacks_arrives_and_comes_back(airflow: AirflowStack) -> None:
    run_id = airflow.api.trigger("function")

    airflow.api.wait_for_task("function", run_id, "tell", "success", timeout=digits.TIMEOUT)

    told = airflow.api.xcom("function", run_id, "tell", "return_value")
    assert told == [run_id, {"fails": False}, "nan", "NaN"]


def test_an_exception_is_in_the_log_with_its_authors_file_and_line(airflow: AirflowStack) -> None:
    run_id = airflow.api.trigger("function", conf={"fails": True})

    task = airflow.api.wait_for_task("function", run_id, "tell", timeout=digits.TIMEOUT)

    text = "\n".join(line.text for line in airflow.api.log("function", run_id, "tell"))
    assert task["state"] == "failed", text
    source = Path(__file__).parent / "dags/functions.py"
    line = 1 + next(n for n, line in enumerate(source.read_text().splitlines()) if "raise ValueError" in line)
    # Once as the training writes it, once in what the task fails with.
    assert text.count(f'functions.py", line {line}, in tell') == 2
    assert text.count("ValueError: enough of $(PET_NNODES)") >= 2
