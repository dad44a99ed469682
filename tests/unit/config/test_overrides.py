"""Overrides, and other values of any type."""

from __future__ import annotations

import datetime
import math
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from airflow_kubeflow_trainer.config import LoraConfig, TorchTuneConfig, TorchTuneDataset
from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.config.template import as_template, from_template
from airflow_kubeflow_trainer.exceptions import ConfigError


def overrides(value: Any) -> dict[str, Any]:
    return TorchTuneConfig(overrides=value).overrides


def read_by_torchtune(text: str) -> Any:
    """Read a value as torchtune 0.6.1 does (config/_utils.py)."""
    text = "!!null" if text == "None" else text
    return OmegaConf.to_container(OmegaConf.from_dotlist([f"key={text}"]), resolve=False)["key"]


def same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (one == other and type(one) is type(other))


@pytest.mark.parametrize(
    "text",
    ["1", "1e-3", "1_000", "0123", "yes", "None", "null", "~", "", "2026-01-01", "12:30:45", "[1, a]", "{a: 1}",
     "x # y", "'5'", ".inf", "-.inf", ".nan", "bf16", "1.", "0x1F", "a: b"],
)  # fmt: skip
def test_a_command_line_is_read_as_torchtune_reads_it(text: str) -> None:
    assert same(overrides([f"key={text}"])["key"], read_by_torchtune(text))


@given(text=st.text(alphabet="0123456789+-._:eEinfNa ~[]{},'\"#|>x\n", max_size=12))
def test_any_command_line_is_read_as_torchtune_reads_it_or_refused(text: str) -> None:
    assume(not is_template(text))
    try:
        found = overrides([f"key={text}"])["key"]
    except ConfigError:
        return
    try:
        theirs = read_by_torchtune(text)
    except Exception:  # noqa: BLE001 - whatever OmegaConf cannot read at all
        assume(False)
    assert same(found, theirs)


def test_a_command_line_deletes_and_its_last_word_wins() -> None:
    assert list(overrides(["a=1", "~b.c", "d=x=y", "a=2"]).items()) == [("~b.c", None), ("d", "x=y"), ("a", 2)]


@pytest.mark.parametrize("item", ["a", "~a=1", "=1", "~", "", 5, None])
def test_what_is_no_override_is_refused(item: Any) -> None:
    with pytest.raises(ConfigError, match=r"overrides: .*'key=value'"):
        overrides([item])


def test_a_command_line_with_templates_is_read_once_they_are_rendered() -> None:
    plain = as_template({"overrides": ["a={{ x }}", "~b"]}, TorchTuneConfig, field="config")
    assert plain == {"overrides": ["a={{ x }}", "~b"]}

    found = from_template(TorchTuneConfig, {"overrides": ["a=1e-3", "~b"]}, field="config")

    assert found is not None
    assert found.overrides == {"a": 1e-3, "~b": None}


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(Colour.RED, "red", id="an enum"),
        pytest.param(np.float32(0.5), 0.5, id="a number of NumPy's"),
        pytest.param(np.int64(3), 3, id="an integer of NumPy's"),
        pytest.param({2, 1}, [1, 2], id="a set"),
        pytest.param((1, [2, {"a": Colour.RED}]), [1, [2, {"a": "red"}]], id="nested"),
    ],
)
def test_a_value_becomes_plain_data(value: Any, plain: Any) -> None:
    found = as_template({"overrides": {"a": value}}, TorchTuneConfig, field="config")["overrides"]["a"]

    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    "value",
    [Path("a"), datetime.date(2026, 1, 1), object(), b"x", np.zeros(2), LoraConfig, len],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    ("field", "fill"),
    [
        pytest.param("overrides", lambda value: {"overrides": {"a": {"b": value}}}, id="overrides"),
        pytest.param("optimizer", lambda value: {"optimizer": {"a": {"b": value}}}, id="optimizer"),
    ],
)
def test_a_value_that_is_no_plain_data_is_refused_where_it_stands(value: Any, field: str, fill: Any) -> None:
    with pytest.raises(ConfigError, match=rf"TorchTuneConfig\.{field}: a\.b: must be text, a number"):
        TorchTuneConfig(**fill(value))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(min_size=1).filter(lambda key: key[0] != "~"), PLAIN, max_size=4))
def test_any_plain_value_arrives_as_it_was_written(value: dict[str, Any]) -> None:
    assume(not has_templates(value))
    config = TorchTuneConfig(
        overrides=value, dataset_preprocess_config=TorchTuneDataset(component="my.data", options=value)
    )

    found = from_template(TorchTuneConfig, as_template(config, TorchTuneConfig, field="config"), field="config")

    assert found is not None
    assert found.overrides == value
    assert isinstance(found.dataset_preprocess_config, TorchTuneDataset)
    assert found.dataset_preprocess_config.options == value


@given(columns=st.dictionaries(st.sampled_from(["input", "output", "image"]), st.text()))
def test_any_name_of_a_column_arrives(columns: dict[str, str]) -> None:
    assume(not has_templates(columns))
    plain = as_template({"dataset_preprocess_config": {"column_map": columns}}, TorchTuneConfig, field="config")

    found: Any = from_template(TorchTuneConfig, plain, field="config")

    assert found.dataset_preprocess_config.column_map == columns


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param({"optimizer": "AdamW"}, "optimizer: 'AdamW' must be a dotted name", id="no dots"),
        pytest.param({"optimizer": 5}, "optimizer: must be a dotted name, or a dict", id="a number"),
        pytest.param({"optimizer": {"_component_": "SGD"}}, "optimizer: 'SGD' must be a dotted name", id="in a dict"),
        pytest.param({"lr_scheduler": "cosine"}, "lr_scheduler: 'cosine' must be", id="a scheduler"),
        pytest.param({"loss": "CE"}, "loss: 'CE' must be a dotted name", id="a loss"),
        pytest.param({"metric_logger": "wandbb"}, "metric_logger: 'wandbb' must be one of stdout, disk", id="a logger"),
        pytest.param({"optimizer": {}}, "optimizer: must not be empty", id="an optimizer of nothing"),
        pytest.param({"metric_logger": {}}, "metric_logger: must not be empty", id="a logger of nothing"),
        pytest.param({"overrides": {"optimizer": {}}}, "overrides: 'optimizer': must not be empty", id="by override"),
        pytest.param(
            {"overrides": {"lr_scheduler": None}}, "'lr_scheduler': must be a dotted name.* not None", id="no scheduler"
        ),
        pytest.param({"overrides": {"model": False}}, "'model': must be a dotted name.* not False", id="False"),
        pytest.param({"overrides": {"dataset": ["a"]}}, "'dataset': must be a dotted name", id="several data sets"),
        pytest.param({"overrides": {"loss": "CE"}}, "'loss': 'CE' must be a dotted name", id="no dots by override"),
        pytest.param({"overrides": {"loss._component_": ""}}, "'loss._component_': '' must be", id="a loss of no name"),
        pytest.param({"epochs": True}, "epochs: must be a number, not True", id="True is no count"),
        pytest.param({"seed": False}, "seed: must be a number, not False", id="False is no seed"),
        pytest.param({"learning_rate": math.inf}, "learning_rate: must be a finite number", id="an endless rate"),
        pytest.param(
            {"optimizer_in_bwd": True, "peft_config": {}},
            "config.optimizer_in_bwd: is for full fine-tuning",
            id="LoRA in_bwd",
        ),
        pytest.param(
            {"dataset_preprocess_config": {"column_map": {"prompt": "input"}}},
            r"column_map: 'prompt' is no column .*TorchTune's names on the left",
            id="a column map the wrong way round",
        ),
        pytest.param({"resources_per_node": {"gpu": 0.5}}, r"gpu: 0\.5 must be a whole number", id="half a GPU"),
        pytest.param(
            {"resources_per_node": {"gpu": 1, "nvidia.com/gpu": 2}}, "nvidia.com/gpu is given twice", id="GPUs twice"
        ),
    ],
)
def test_what_would_die_in_the_pod_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_template(wrong, TorchTuneConfig, field="config")
    with pytest.raises(ConfigError, match=message):
        from_template(TorchTuneConfig, wrong, field="config")


def test_a_component_may_be_a_template() -> None:
    plain = as_template({"overrides": {"optimizer": "{{ params.optimizer }}"}}, TorchTuneConfig, field="config")
    assert plain["overrides"]["optimizer"] == {"$template": "{{ params.optimizer }}"}

    with pytest.raises(ConfigError, match="'optimizer': 'AdamW' must be a dotted name"):
        from_template(TorchTuneConfig, {"overrides": {"optimizer": {"$template": "AdamW"}}}, field="config")


def test_lora_by_a_dict_for_the_model_is_lora() -> None:
    config = TorchTuneConfig(save_adapter_weights_only=True, overrides={"model": {"lora_attn_modules": ["q_proj"]}})

    assert config.save_adapter_weights_only is True
