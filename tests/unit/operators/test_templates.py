"""The same TrainJob comes out, however its configuration was written and whatever Airflow did with it on the way.

{model, dict, object like the SDK's} x {plain, partial, expand, expand_kwargs} x {literal, Jinja, XComArg}, in DAGs with
and without native rendering, through Airflow's own parsing, mapping and rendering.
"""

from __future__ import annotations

import datetime
import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, XComArg, task

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import LoraConfig, PersistentVolumeOutput, TorchTuneConfig, literal
from airflow_kubeflow_trainer.exceptions import ConfigError

EXPECTED = {"epochs=2", "optimizer.lr=0.001", "model.lora_rank=8", "tag=1e-3"}
PARAMS = {"epochs": 2, "rank": 8, "text": "1e-3"}


class TaskInstance(SimpleNamespace):
    """What rendering asks of a task instance."""

    def xcom_pull(self, **_: Any) -> Any:
        return 2

    def get_relevant_upstream_map_indexes(self, **_: Any) -> None:
        return None


def settings(source: str, upstream: XComArg) -> dict[str, Any]:
    epochs = {"literal": 2, "Jinja": "{{ params.epochs }}", "XComArg": upstream}[source]
    jinja = source == "Jinja"
    return {
        "epochs": epochs,
        "learning_rate": 1e-3,
        "peft_config": {"lora_rank": "{{ params.rank }}" if jinja else 8},
        "resources_per_node": {"gpu": 1},
        # Text that a native DAG would make a number of.
        "overrides": {"tag": "{{ params.text }}" if jinja else "1e-3"},
    }


def written(form: str, fields: dict[str, Any]) -> Any:
    if form == "model":
        return TorchTuneConfig(**fields | {"peft_config": LoraConfig(**fields["peft_config"])})
    if form == "dict":
        return fields
    return SimpleNamespace(**fields | {"peft_config": SimpleNamespace(**fields["peft_config"])})


def make(form: str, way: str, source: str, *, native: bool) -> Any:
    """Parse a DAG with one task, and return the task."""
    fixed: dict[str, Any] = {"task_id": "t", "runtime": "torchtune-llama3.2-1b", "output": {"claim_name": "models"}}
    with DAG("d", params=PARAMS, render_template_as_native_obj=native):

        @task
        def upstream() -> int:
            return 2

        config = written(form, settings(source, upstream()))
        match way:
            case "plain":
                return BuiltinTrainerOperator(**fixed, config=config)
            case "partial":
                return BuiltinTrainerOperator.partial(**fixed, config=config).expand(name=["a"])
            case "expand":
                return BuiltinTrainerOperator.partial(**fixed).expand(config=[config])
            case _:
                return BuiltinTrainerOperator.partial(**fixed).expand_kwargs([{"config": config}])


def render(operator: Any, *, map_index: int) -> BuiltinTrainerOperator:
    """Do what Airflow's task runner does before execute()."""
    ti = TaskInstance(
        dag_id="d",
        run_id="r",
        task_id="t",
        map_index=map_index,
        try_number=1,
        start_date=datetime.datetime.now(datetime.UTC),
    )
    prepared = operator.prepare_for_execution()
    context = {"ti": ti, "task_instance": ti, "dag": operator.dag, "task": prepared, "params": PARAMS, "run_id": "r"}
    context["dag_run"] = SimpleNamespace(conf={})
    prepared.render_template_fields(context, operator.dag.get_template_env())
    rendered = context["task"]
    assert isinstance(rendered, BuiltinTrainerOperator)
    return rendered


CASES = list(
    itertools.product(
        ("model", "dict", "SDK object"),
        ("plain", "partial", "expand", "expand_kwargs"),
        ("literal", "Jinja", "XComArg"),
    )
)


@pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning")
@pytest.mark.parametrize(("form", "way", "source"), CASES, ids=[", ".join(case) for case in CASES])
def test_the_same_trainjob_comes_out(form: str, way: str, source: str) -> None:
    manifests = []
    for native in (False, True):
        operator = make(form, way, source, native=native)
        if source == "XComArg":
            assert operator.upstream_task_ids == {"upstream"}
        manifests.append(render(operator, map_index=-1 if way == "plain" else 0).manifest())

    assert EXPECTED - {arg.replace('"', "") for arg in manifests[0]["spec"]["trainer"]["args"]} == (
        # A template has no type of its own: an override that it fills is read as YAML.
        {"tag=1e-3"} if source == "Jinja" else set()
    )
    assert manifests[0] == manifests[1]


@pytest.mark.filterwarnings("ignore:config.dataset_preprocess_config:UserWarning")
def test_the_rendered_view_shows_the_manifest_in_parts_that_airflow_does_not_cut() -> None:
    rendered = render(make("model", "expand", "Jinja", native=False), map_index=0)

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

    config = render(operator, map_index=-1)._config()

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

    config = render(operator, map_index=0)._config()

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

    rendered = render(operator, map_index=-1)

    with pytest.raises(ConfigError, match=r"config.epochs: .*integer.*'lots'"):
        rendered.manifest()
