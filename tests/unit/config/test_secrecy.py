"""No secret is shown: not by a repr, not by a message, not in the stored DAG."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.config import (
    HuggingFaceModelInitializer,
    Initializer,
    S3DatasetInitializer,
    SecretRef,
    TorchTuneConfig,
)
from airflow_kubeflow_trainer.config.environment import env_entries
from airflow_kubeflow_trainer.config.template import as_template, from_template
from airflow_kubeflow_trainer.exceptions import ConfigError

CANARY = "hf_CANARY"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param({"access_token": CANARY}, id="the SDK's token"),
        pytest.param({"access_token": "{{ var.value.token }}" + CANARY}, id="a template for it"),
        pytest.param({"secret_ref": CANARY}, id="for the reference"),
        pytest.param({"secret_ref": {"name": CANARY}}, id="for the Secret's name"),
        pytest.param({"secret_ref": {"name": "hf", "key": f"{CANARY}!"}}, id="for its key"),
        pytest.param({"secret_ref": [CANARY]}, id="in a list"),
        pytest.param({"env": {"ACCESS_TOKEN": CANARY}}, id="in the environment"),
        pytest.param({"env": {"ACCESS_TOKEN": {"valueFrom": CANARY}}}, id="for a source"),
        pytest.param({"env": {"TOKEN": [CANARY]}}, id="of a wrong type"),
        pytest.param({"token": CANARY}, id="in a field that does not exist"),
    ],
)
def test_a_token_in_the_wrong_place_is_refused_and_not_shown(source: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        as_template({"model": {"storage_uri": "hf://a/b", **source}}, Initializer, field="initializer")

    assert str(refused.value).startswith("initializer.model")
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_a_token_that_a_template_brings_into_an_initializers_environment_is_refused() -> None:
    source = {"storage_uri": "s3://a/b", "env": {"SECRET_ACCESS_KEY": CANARY}}

    with pytest.raises(ConfigError, match=r"SECRET_ACCESS_KEY must be SecretRef") as refused:
        from_template(Initializer, {"dataset": source}, field="initializer")
    assert CANARY not in str(refused.value)


def test_a_repr_hides_the_environment_and_shows_what_it_refers_to() -> None:
    config = TorchTuneConfig(epochs=1, env={"WANDB_API_KEY": CANARY, "B": SecretRef("s", key="k"), "C": "{{ c }}"})

    assert repr(config) == str(config)
    assert repr(config) == (
        "TorchTuneConfig(epochs=1, env={'WANDB_API_KEY': '***', 'B': SecretRef(name='s', key='k'), 'C': '{{ c }}'})"
    )


def test_a_repr_inside_another_hides_it_too() -> None:
    initializer = Initializer(dataset=S3DatasetInitializer("s3://a/b", env={"X": CANARY}))

    assert CANARY not in repr(initializer)
    assert repr(initializer).startswith("Initializer(dataset=S3DatasetInitializer(storage_uri='s3://a/b'")


def test_the_order_of_writing_does_not_change_a_repr() -> None:
    assert repr(TorchTuneConfig(seed=1, epochs=2)) == repr(TorchTuneConfig(epochs=2, seed=1))


def test_a_secret_by_reference_is_accepted() -> None:
    model = HuggingFaceModelInitializer("hf://a/b", env={"ACCESS_TOKEN": SecretRef("hf", key="token")})

    assert env_entries(model.variables()) == [
        {"name": "ACCESS_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf", "key": "token"}}}
    ]


ENTRIES = [
    {"name": "TEXT", "value": "a=b"},
    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
]


def test_kubernetes_own_list_of_variables_arrives_as_it_was() -> None:
    config = from_template(TorchTuneConfig, {"env": ENTRIES}, field="config")

    assert config is not None
    assert env_entries(config.env) == ENTRIES


def test_a_variable_without_a_value_is_empty() -> None:
    assert TorchTuneConfig(env=[{"name": "A"}]).env == {"A": ""}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        pytest.param([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}], "A is given twice", id="twice"),
        pytest.param([{"name": [], "value": "1"}], r"a variable's name must be text", id="a name that is no text"),
        pytest.param({"A": None}, r"A: must be text, SecretRef\(name, key=...\)", id="None"),
        pytest.param({"A": {"valueFrom": {"secret": {}}}}, "A: valueFrom must .*secretKeyRef", id="an unknown source"),
        pytest.param({"A": {"valueFrom": {}}}, "A: valueFrom must", id="no source"),
        pytest.param({"A=B": "1"}, "'A=B' is no name", id="a name with ="),
        pytest.param({"": "1"}, "'' is no name", id="no name"),
    ],
)
def test_a_variable_that_kubernetes_would_refuse_is_refused(env: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"config.env: {message}"):
        as_template({"env": env}, TorchTuneConfig, field="config")


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True).filter(lambda name: "PET_" not in name)


@given(env=st.dictionaries(NAMES, st.text() | st.integers(), max_size=5))
def test_any_environment_arrives_in_its_order_or_waits_for_its_templates(env: dict[str, Any]) -> None:
    plain = as_template({"env": env}, TorchTuneConfig, field="config")

    config = from_template(TorchTuneConfig, plain, field="config")

    assert config is not None
    assert env_entries(config.env) == [{"name": name, "value": str(value)} for name, value in env.items()]
