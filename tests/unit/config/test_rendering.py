"""What becomes of a template's text, and of text that only looks like a template."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.definitions._internal.templater import NativeEnvironment, SandboxedEnvironment
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.config import (
    HuggingFaceModelInitializer,
    Initializer,
    PersistentVolumeOutput,
    SecretRef,
    TorchTuneConfig,
    TorchTuneInstructDataset,
    TorchTuneTextCompletionDataset,
    literal,
)
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.template import as_template, from_template
from airflow_kubeflow_trainer.exceptions import ConfigError


def render(plain: Any, environment: Any, **params: Any) -> Any:
    """Render as Airflow does: values, and never keys."""
    if isinstance(plain, dict):
        return {key: render(value, environment, **params) for key, value in plain.items()}
    if isinstance(plain, list):
        return [render(value, environment, **params) for value in plain]
    return environment.from_string(plain).render(**params) if isinstance(plain, str) else plain


def through_airflow(config: ConfigModel, environment: Any = None, **params: Any) -> Any:
    model = type(config)
    plain = render(as_template(config, model, field="config"), environment or SandboxedEnvironment(), **params)
    return from_template(model, plain, field="config")


@pytest.mark.parametrize("environment", [SandboxedEnvironment(), NativeEnvironment()], ids=["text", "native"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("epochs", 4, id="an integer"),
        pytest.param("learning_rate", 1e-3, id="a float"),
        pytest.param("shuffle", True, id="True"),
        pytest.param("shuffle", False, id="False"),
        pytest.param("seed", 0, id="zero"),
        pytest.param("seed", None, id="None leaves a number out"),
        pytest.param("loss", None, id="None leaves text out"),
        pytest.param("overrides", {"a": [1, "b", None, True], "c.d": 1e-5}, id="a dict"),
        pytest.param("peft_config", {"lora_rank": 8, "lora_attn_modules": ["q_proj"]}, id="a model"),
        pytest.param("resources_per_node", {"gpu": 1, "memory": "64Gi"}, id="resources"),
        pytest.param("optimizer", {"_component_": "torch.optim.SGD", "lr": 0.5}, id="a component"),
        pytest.param("metric_logger", "disk", id="a choice"),
    ],
)
def test_a_template_becomes_what_its_field_wants(field: str, value: Any, environment: Any) -> None:
    templated = through_airflow(TorchTuneConfig(**{field: "{{ value }}"}), environment, value=value)

    assert getattr(templated, field) == getattr(TorchTuneConfig(**{field: value}), field)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-1", -1), ("1e-3", 0.001), (".5", 0.5), ("True", True), ("false", False), ("None", None),
        ("null", None), ("[1, None]", [1, None]), ('{"a": true}', {"a": True}), ("'5'", "5"), ('"None"', "None"),
        ("2026-01-01", "2026-01-01"), ("12:30:45", "12:30:45"), ("0123", "0123"), ("yes", "yes"), ("x # y", "x # y"),
        ("a: b", "a: b"), ("@x", "@x"), ("[1,", "[1,"), ("", ""), (" x ", " x "), ("'a' or 'b'", "'a' or 'b'"),
        ("{{ x }}", "{{ x }}"),
    ],
)  # fmt: skip
def test_a_template_in_overrides_is_read_as_it_is_written(text: str, value: Any) -> None:
    config = through_airflow(
        TorchTuneConfig(overrides={"a": "{{ text }}", "b": {"c": ["{{ text }}"]}}, optimizer={"lr": "{{ text }}"}),
        text=text,
    )

    assert config.overrides == {"a": value, "b": {"c": [value]}}
    assert config.optimizer == {"lr": value}


@pytest.mark.parametrize("text", ["5", "None", "True", "1e-3", "[1]", "2026-01-01"])
def test_text_that_the_author_has_written_stays_text(text: str) -> None:
    assert through_airflow(TorchTuneConfig(overrides={"a": text})).overrides == {"a": text}


@given(text=st.text() | st.text(alphabet="{}%# -+rawend\r\n'\"\\"))
def test_literal_text_arrives_as_it_is(text: str) -> None:
    config = TorchTuneConfig(
        dataset_preprocess_config=TorchTuneInstructDataset(new_system_prompt=literal(text)),
        overrides={"a": literal(text)},
    )

    arrived = through_airflow(config)

    assert arrived.dataset_preprocess_config.new_system_prompt == (None if text == "None" else text)
    assert arrived.overrides == {"a": text}


def test_braces_that_rendering_has_left_are_checked_like_other_text() -> None:
    with pytest.raises(ConfigError, match="must be a URI"):
        from_template(Initializer, {"model": {"storage_uri": "s3://{{ a b }}"}}, field="initializer")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"env": {"{{ a }}": "1"}}, "config.env"),
        ({"overrides": {"{{ a }}": 1}}, "config.overrides"),
        ({"overrides": {"a": [{"{{ a }}": 1}]}}, "config.overrides"),
        ({"resources_per_node": {"{{ a }}": 1}}, "config.resources_per_node"),
        ({"dataset_preprocess_config": {"column_map": {"{{ a }}": "x"}}}, "dataset_preprocess_config"),
    ],
)
def test_a_template_in_a_key_is_refused_since_airflow_would_not_render_it(wrong: Any, field: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field}.*'\{{\{{ a \}}\}}' is a key.*template of the whole dict"):
        as_template(wrong, TorchTuneConfig, field="config")


@pytest.mark.parametrize("text", ["", "many", "1.5", "[1]"])
def test_what_a_template_brings_is_refused_by_its_field(text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.epochs: must be .*integer"):
        through_airflow(TorchTuneConfig(epochs="{{ text }}"), text=text)


def test_a_token_may_go_with_a_model_that_is_not_known_yet() -> None:
    initializer = Initializer(model=HuggingFaceModelInitializer("{{ model }}", secret_ref=SecretRef("hf", key="token")))

    found = through_airflow(initializer, model="org/model")

    assert found == Initializer(
        model=HuggingFaceModelInitializer("hf://org/model", secret_ref=SecretRef("hf", key="token"))
    )


def test_a_key_alone_is_refused_once_the_model_turns_out_to_lie_on_s3() -> None:
    initializer = {"model": {"storage_uri": "{{ model }}", "secret_ref": {"name": "s3", "key": "id"}}}
    plain = render(as_template(initializer, Initializer, field="i"), SandboxedEnvironment(), model="s3://b/m")

    with pytest.raises(ConfigError, match=r"i\.model.*one key is not enough"):
        from_template(Initializer, plain, field="i")


def test_a_data_sets_builder_is_not_taken_for_another_one_on_the_way() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneTextCompletionDataset(source="text"))

    assert isinstance(through_airflow(config).dataset_preprocess_config, TorchTuneTextCompletionDataset)


def test_a_folder_that_a_template_leaves_out_is_the_default_one() -> None:
    output = through_airflow(PersistentVolumeOutput("models", sub_path="{{ folder }}"), folder=None)

    assert output.sub_path is None
