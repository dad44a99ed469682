"""A TrainJob through real scheduler, triggerer and API server, seen as a user sees it: by Airflow's REST API."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo import training_log
from demo.airflow_api import LogLine, wait_until
from demo.airflow_stack import AirflowStack

TIMEOUT = 240.0
# On a busy machine; the first test waits for the start of Airflow too.
pytestmark = [pytest.mark.timeout(600), pytest.mark.every_airflow]


def test_the_example_dag_trains_a_model_and_shows_it_live(
    airflow: AirflowStack, cluster: Any, tiny: dict[str, Any]
) -> None:
    conf = {
        **tiny,
        "runtime": "torchtune-llama3.2-1b",
        "dataset_format": "json",
        "question_column": "input",
        "answer_column": "output",
        "steps": 6,
        "learning_rate": 0.01,
        "device": "cpu",
        "dtype": "fp32",
        "resources": {"cpu": 1},
        "overrides": tiny["overrides"]
        | {"model": "torchtune.models.llama3_2.lora_llama3_2", "model.lora_rank": 8, "model.lora_alpha": 16},
    }
    del conf["overrides"]["optimizer_in_bwd"]  # a setting of full fine-tuning
    run_id = airflow.api.trigger("finetune_llm", conf=conf)

    task = airflow.api.wait_for_task("finetune_llm", run_id, "finetune", timeout=TIMEOUT)

    lines = airflow.api.log("finetune_llm", run_id, "finetune")
    assert task["state"] == "success", text(lines)
    [trainjob] = cluster.trainjobs("finetune_llm", run_id)
    name = f"default/{trainjob['metadata']['name']}"
    assert [f"TrainJob {name}: {phase}" in text(lines) for phase in ("Running", "Succeeded")] == [True, True]
    assert list(training_log.losses(line.text for line in lines)) == [1, 2, 3, 4, 5, 6]
    identity = airflow.api.xcom("finetune_llm", run_id, "finetune", "trainjob")
    assert identity == {key: trainjob["metadata"][key] for key in ("name", "namespace", "uid")}
    result = airflow.api.xcom("finetune_llm", run_id, "finetune", "return_value")
    assert list((cluster.volume(result["claim_name"]) / result["sub_path"]).glob("**/adapter_model.safetensors"))


def test_each_line_of_the_training_is_in_the_log_once_and_the_loss_falls(
    airflow: AirflowStack, tiny: dict[str, Any]
) -> None:
    run_id = airflow.api.trigger("tiny_train", conf=tiny)

    task = airflow.api.wait_for_task("tiny_train", run_id, "train", timeout=TIMEOUT)

    lines = airflow.api.log("tiny_train", run_id, "train")
    assert task["state"] == "success", text(lines)
    steps = Counter(line.text.split(" | ")[0] for line in lines if line.text.startswith("Step "))
    assert steps == {f"Step {step}": 1 for step in range(1, 5)}
    curve = training_log.losses(line.text for line in lines)
    assert curve[4] < curve[1]
    record = airflow.api.xcom("tiny_train", run_id, "train", "trainjob_record")
    assert [phase["phase"] for phase in record["phases"]][-1] == "Succeeded"
    assert record["progress"]["step"] == 4
    assert airflow.api.xcom("tiny_train", run_id, "train", "metrics")["loss"] == pytest.approx(curve[4])


def test_a_failed_training_fails_the_task_with_its_cause_and_its_last_lines(
    airflow: AirflowStack, tiny: dict[str, Any]
) -> None:
    # 256 cannot be shared among three heads: TorchTune raises when it builds the model.
    run_id = airflow.api.trigger("tiny_failing", conf=tiny | {"overrides": tiny["overrides"] | {"model.num_heads": 3}})

    task = airflow.api.wait_for_task("tiny_failing", run_id, "train", timeout=TIMEOUT)

    lines = airflow.api.log("tiny_failing", run_id, "train")
    assert task["state"] == "failed", text(lines)
    [raised] = [line.text for line in lines if "TrainJobFailed" in line.text or "exit code" in line.text][-1:]
    assert "exit code 1" in raised
    assert "num_heads" in raised
    # The same words in the exception, in what the trigger said last, and in the Training tab.
    why = airflow.api.xcom("tiny_failing", run_id, "train", "trainjob_record")["diagnosis"]
    assert why["message"] in raised
    [told] = [line for line in lines if line.text.startswith("TrainJob") and "did not succeed" in line.text]
    assert why["message"] in told.text and why["remedy"] in told.text
    assert any("num_heads" in line for line in why["evidence"])


def test_a_task_that_is_marked_failed_while_deferred_deletes_its_trainjob(
    airflow: AirflowStack, cluster: Any, tiny: dict[str, Any]
) -> None:
    run_id = airflow.api.trigger("tiny_long", conf=tiny)
    airflow.api.wait_for_task("tiny_long", run_id, "train", "deferred", timeout=TIMEOUT)
    # The trigger has to be at work: one that never ran has nothing to clean up with.
    wait_until(
        lambda: text(airflow.api.log("tiny_long", run_id, "train")),
        lambda seen: ": Running" in seen,
        what="a running TrainJob",
        timeout=TIMEOUT,
    )

    airflow.api.set_task_state("tiny_long", run_id, "train", "failed")

    wait_until(
        lambda: cluster.trainjobs("tiny_long", run_id), lambda jobs: not jobs, what="no TrainJob", timeout=TIMEOUT
    )


def test_each_index_of_a_mapped_task_has_a_trainjob_and_a_result_of_its_own(
    airflow: AirflowStack, cluster: Any, tiny: dict[str, Any]
) -> None:
    run_id = airflow.api.trigger("tiny_mapped", conf=tiny)

    assert airflow.api.wait_for_run("tiny_mapped", run_id, timeout=TIMEOUT) == "success"

    assert len(cluster.trainjobs("tiny_mapped", run_id)) == 2
    results = [airflow.api.xcom("tiny_mapped", run_id, "train", "return_value", map_index=i) for i in (0, 1)]
    assert len({result["sub_path"] for result in results}) == 2


def test_two_tasks_one_after_the_other_pass_by_dag_test(
    airflow: AirflowStack, cluster: Any, tiny: dict[str, Any], tmp_path: Path
) -> None:
    # A database of its own: the live scheduler would run the second task, too.
    environment = airflow.environment() | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
    }
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from tiny import pair; "
        "run = pair.test(run_conf=json.loads(sys.argv[2])); sys.exit(run.state != 'success')"
    )
    dags = Path(__file__).parent / "dags"

    for arguments in (
        ["-m", "airflow", "db", "migrate"],
        ["-m", "airflow", "dags", "reserialize"],
        ["-c", program, str(dags), json.dumps(tiny)],
    ):
        done = subprocess.run(
            [airflow.python, *arguments], env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def text(lines: list[LogLine]) -> str:
    return "\n".join(line.text for line in lines)
