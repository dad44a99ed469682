"""Configs in Airflow's own hands: references of every kind, and what is stored of a DAG."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, literal, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import (
    HuggingFaceModelInitializer,
    Initializer,
    LoraConfig,
    SecretRef,
    TorchTuneConfig,
    TorchTuneInstructDataset,
)
from airflow_kubeflow_trainer.config.template import as_template, from_template


class Holder(BaseOperator):
    """An operator that holds a config as ours do, and nothing else."""

    template_fields = ("config",)
    template_ext = ()

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = as_template(config, TorchTuneConfig, field="config")


@pytest.fixture(autouse=True)
def no_warnings_of_the_trainings_own() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@task
def upstream() -> Any: ...


@pytest.mark.parametrize(
    "fill",
    [
        pytest.param(lambda xcom: {"epochs": xcom}, id="a field"),
        pytest.param(lambda xcom: {"peft_config": LoraConfig(lora_attn_modules=["q_proj", xcom])}, id="an item"),
        pytest.param(lambda xcom: {"env": {"A": SecretRef(xcom, key="k")}}, id="a secret's name"),
        pytest.param(lambda xcom: {"overrides": {"a": {"b": [xcom]}}}, id="deep in overrides"),
        pytest.param(lambda xcom: {"overrides": ["a=1", xcom]}, id="a command line"),
        pytest.param(
            lambda xcom: {"dataset_preprocess_config": TorchTuneInstructDataset(column_map={"input": xcom})},
            id="a column",
        ),
        pytest.param(lambda xcom: {"epochs": xcom["epochs"]}, id="an item of the XCom"),
        pytest.param(lambda xcom: {"epochs": xcom.map(int)}, id="a mapped XCom"),
    ],
)
def test_an_xcom_anywhere_in_a_model_makes_its_task_upstream(fill: Any) -> None:
    with DAG("d"):
        plain = Holder(task_id="plain", config=TorchTuneConfig(**fill(upstream())))

    assert plain.upstream_task_ids == {"upstream"}


def test_an_argument_of_a_mapped_task_group_may_stand_in_a_model() -> None:
    with DAG("d") as dag:

        @task_group
        def group(epochs: Any) -> None:
            Holder(task_id="train", config=TorchTuneConfig(epochs=epochs))

        group.expand(epochs=upstream())

    train: Any = dag.get_task("group.train")
    train.config["epochs"]._input = _Resolved({"epochs": "3"})
    train.render_template_fields({"dag": dag})

    config = from_template(TorchTuneConfig, train.config, field="config")
    assert config is not None
    assert config.epochs == 3


class _Resolved:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def resolve(self, _: Any) -> Any:
        return self.values, set()


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_airflows_own_literal_is_understood(native: bool) -> None:
    dataset = TorchTuneInstructDataset(new_system_prompt=literal("{{ as is }}"))
    with DAG("d", render_template_as_native_obj=native) as dag:
        holder = Holder(task_id="t", config=TorchTuneConfig(dataset_preprocess_config=dataset))

    holder.render_template_fields({"dag": dag})

    config: Any = from_template(TorchTuneConfig, holder.config, field="config")
    assert config.dataset_preprocess_config.new_system_prompt == "{{ as is }}"


def stored(way: str) -> str:
    model = HuggingFaceModelInitializer("hf://a/b", secret_ref=SecretRef("hf", key="token"))
    fixed: dict[str, Any] = {
        "task_id": "t", "runtime": "torchtune-llama3.2-1b", "initializer": Initializer(model=model)
    }  # fmt: skip
    config = TorchTuneConfig(epochs=1, peft_config=LoraConfig(lora_rank=8), resources_per_node={"gpu": 1})
    with DAG("d", schedule=None) as dag:
        match way:
            case "plain":
                BuiltinTrainerOperator(**fixed, config=config)
            case "partial":
                BuiltinTrainerOperator.partial(**fixed, config=config).expand(name=["a"])
            case "expand":
                BuiltinTrainerOperator.partial(**fixed).expand(config=[config])
            case _:
                BuiltinTrainerOperator.partial(**fixed).expand_kwargs([{"config": config}])
    return json.dumps(DagSerialization.to_dict(dag), sort_keys=True)


@pytest.mark.parametrize("way", ["plain", "partial", "expand", "expand_kwargs"])
def test_a_stored_dag_holds_configs_as_data_and_is_the_same_each_time(way: str) -> None:
    found = stored(way)

    assert found == stored(way)
    assert '"lora_rank": 8' in found
    assert "TorchTuneConfig(" not in found
    assert "LoraConfig(" not in found
    assert "SecretRef(" not in found
    assert " at 0x" not in found
