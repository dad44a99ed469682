"""What is refused, and warned of, while a DAG is parsed: in plain and in mapped tasks, templates or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.exceptions import ConfigError

FINE: dict[str, Any] = {"task_id": "t", "runtime": "torchtune-llama3.2-1b", "output": {"claim_name": "models"}}
CONFIG: dict[str, Any] = {"resources_per_node": {"gpu": 1}, "dataset_preprocess_config": {"source": "json"}}


def make(mapped: bool, **arguments: Any) -> Any:
    if mapped:
        return BuiltinTrainerOperator.partial(**arguments).expand(name=["a"])
    return BuiltinTrainerOperator(**arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"config": {"epoch": 1}}, r"config\.epoch", id="a misspelt field"),
        pytest.param({"output": {"claim": "x"}}, r"output\.claim", id="a misspelt claim"),
        pytest.param({"runtime_patches": [{"managr": "x"}]}, r"runtime_patches\.0\.managr", id="a misspelt patch"),
        pytest.param({"on_finish_action": "delet"}, "on_finish_action: 'delet'", id="no action"),
        pytest.param({"on_kill_action": "x"}, "on_kill_action: 'x'", id="no action for a kill"),
        pytest.param({"startup_timeout": "1h"}, "startup_timeout: .*'1h'", id="text for a duration"),
        pytest.param({"run_timeout": True}, "run_timeout: .*True", id="a bool for a duration"),
        pytest.param({"admission_timeout": float("nan")}, "admission_timeout", id="no number for a duration"),
    ],
)
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
def test_a_wrong_argument_is_refused_at_parse(wrong: dict[str, Any], message: str, mapped: bool) -> None:
    with DAG("d"), pytest.raises(ConfigError, match=message):
        make(mapped, **(FINE | {"config": CONFIG} | wrong))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"labels": {"a": 1}}, "labels: a must be text", id="a number for a label"),
        pytest.param({"labels": {"a": "b c"}}, "labels: a='b c'", id="no value of a label"),
        pytest.param({"annotations": {"a b": "c"}}, "annotations: 'a b'", id="no key"),
        pytest.param({"runtime_kind": "foo"}, "runtime_kind: 'foo' is not known", id="no kind of runtime"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_at_parse(wrong: dict[str, Any], message: str) -> None:
    with DAG("d"), pytest.raises(ConfigError, match=message):
        make(False, **(FINE | {"config": CONFIG} | wrong))


@pytest.mark.parametrize("values", [[{"batch_size": 0}], [CONFIG, {"epochs": "x"}]], ids=["only", "among others"])
def test_a_mistake_in_what_is_mapped_over_is_refused_at_parse(values: list[dict[str, Any]]) -> None:
    partial = BuiltinTrainerOperator.partial(**FINE)

    with DAG("d"), pytest.raises(ConfigError, match=r"config\."):
        partial.expand(config=values)
    partial._expand_called = True


def test_a_template_elsewhere_does_not_hide_a_config_that_cannot_work() -> None:
    config = {"num_nodes": 3, "peft_config": {}, **CONFIG}

    with DAG("d"), pytest.raises(ConfigError, match="num_nodes: 3 with peft_config"):
        BuiltinTrainerOperator(**FINE, config=config, namespace="{{ params.namespace }}")


def test_a_template_elsewhere_does_not_hide_that_nobody_keeps_the_model() -> None:
    with DAG("d"), pytest.warns(UserWarning, match="deleted with its TrainJob"):
        BuiltinTrainerOperator(task_id="t", runtime=FINE["runtime"], config=CONFIG, name="{{ ds }}")


def test_dry_run_says_which_field_it_cannot_know() -> None:
    with DAG("d"):
        operator = BuiltinTrainerOperator(**FINE, config=CONFIG | {"epochs": "{{ params.epochs }}"})

    with pytest.raises(ConfigError, match="dry_run: config holds a template"):
        operator.dry_run()


def test_labels_may_come_as_a_whole_from_a_template() -> None:
    with DAG("d"):
        operator = BuiltinTrainerOperator(**FINE, config=CONFIG)
    operator.labels = json.dumps({"team": "nlp"})

    assert operator.manifest()["metadata"]["labels"]["team"] == "nlp"


@pytest.mark.parametrize("nothing", ["None", ""])
def test_a_template_that_renders_to_nothing_leaves_an_argument_out(nothing: str) -> None:
    with DAG("d"):
        operator = BuiltinTrainerOperator(**FINE, config=CONFIG)
    operator.namespace = operator.queue_name = operator.name = nothing

    manifest = operator.manifest()

    assert manifest["metadata"]["namespace"] == "default"
    assert not any("kueue" in label for label in manifest["metadata"]["labels"])
