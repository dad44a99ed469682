"""What becomes of templates in an operator's fields, by Airflow's own rendering."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, task
from rendering import TaskInstance, render

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import PersistentVolumeOutput, TorchTuneConfig, literal
from airflow_kubeflow_trainer.exceptions import ConfigError


@pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning")
def test_the_rendered_view_shows_the_manifest_in_parts_that_airflow_does_not_cut() -> None:
    with DAG("d", params={"epochs": 2}):
        partial = BuiltinTrainerOperator.partial(task_id="t", runtime="torchtune-llama3.2-1b", output="{{ none }}")
        operator = partial.expand(config=[TorchTuneConfig(epochs="{{ params.epochs }}", resources_per_node={"gpu": 1})])

    rendered = render(operator)
    parts = {name: getattr(rendered, name) for name in rendered.template_fields if name.startswith("manifest.")}

    assert "epochs=2" in parts["manifest.spec.trainer"]
    assert all(len(text) <= 4096 for text in parts.values())


def test_text_with_braces_of_its_own_can_be_passed() -> None:
    text = 'Answer as {{"json": %}} or {% endraw %} {# so #}'
    with DAG("d"):
        operator = BuiltinTrainerOperator(
            task_id="t",
            runtime="torchtune-llama3.2-1b",
            output=PersistentVolumeOutput("models"),
            config=TorchTuneConfig(
                dataset_preprocess_config={"new_system_prompt": literal(text)}, resources_per_node={"gpu": 1}
            ),
        )

    config = render(operator)._config()

    assert config.dataset_preprocess_config is not None
    assert config.dataset_preprocess_config.plain()["new_system_prompt"] == text


def test_text_with_braces_that_an_xcom_brings_into_a_mapped_task_is_data(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{{ 7 * 7 }}"
    brought = {
        "overrides": {"tag": text},
        "dataset_preprocess_config": {"new_system_prompt": text},
        "resources_per_node": {"gpu": 1},
    }
    monkeypatch.setattr(TaskInstance, "xcom_pull", lambda *_, **__: [brought])
    monkeypatch.setattr("airflow.sdk.definitions.xcom_arg.get_task_map_length", lambda *_: 1)
    with DAG("d"):

        @task
        def configs() -> Any: ...

        operator = BuiltinTrainerOperator.partial(
            task_id="t", runtime="torchtune-llama3.2-1b", output={"claim_name": "models"}
        ).expand(config=configs())

    config = render(operator)._config()

    assert config.overrides == {"tag": text}
    assert config.dataset_preprocess_config is not None
    assert config.dataset_preprocess_config.plain()["new_system_prompt"] == text


@pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning")
def test_an_output_that_depends_on_another_task_keeps_that_task_upstream() -> None:
    with DAG("d"):

        @task
        def folder() -> str:
            return "models/x"

        output = PersistentVolumeOutput("models", sub_path=folder())
        plain = BuiltinTrainerOperator(task_id="p", runtime="torchtune-llama3.2-1b", output=output)
        mapped = BuiltinTrainerOperator.partial(task_id="m", runtime="torchtune-llama3.2-1b", output=output).expand(
            config=[{"epochs": 1}]
        )

    assert plain.upstream_task_ids == mapped.upstream_task_ids == {"folder"}


def test_a_file_name_is_not_opened_as_a_template() -> None:
    assert tuple(BuiltinTrainerOperator.template_ext) == ()


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_a_template_that_renders_to_nonsense_is_refused_by_its_field(native: bool) -> None:
    with DAG("d", params={"epochs": "lots"}, render_template_as_native_obj=native):
        operator = BuiltinTrainerOperator(
            task_id="t",
            runtime="torchtune-llama3.2-1b",
            output=PersistentVolumeOutput("models"),
            config=TorchTuneConfig(epochs="{{ 'lots' }}"),
        )

    rendered = render(operator)

    with pytest.raises(ConfigError, match=r"config.epochs: .*integer.*'lots'"):
        rendered.manifest()
