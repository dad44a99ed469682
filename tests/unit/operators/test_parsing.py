"""What is refused, and warned of, while a DAG is parsed: in plain and in mapped tasks, templates or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import RuntimePatch, TorchTuneConfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.operators.arguments import CHECKED

FINE: dict[str, Any] = {"task_id": "t", "runtime": "torchtune-llama3.2-1b", "output": {"claim_name": "models"}}
CONFIG: dict[str, Any] = {"resources_per_node": {"gpu": 1}, "dataset_preprocess_config": {"source": "json"}}


def make(mapped: bool, **arguments: Any) -> Any:
    if mapped:
        return BuiltinTrainerOperator.partial(**arguments).expand(name=["a"])
    return BuiltinTrainerOperator(**arguments)


@pytest.fixture
def mapped_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a partial that was never mapped, since that failed, Airflow's complaint about it."""
    monkeypatch.setattr("airflow.sdk.definitions.mappedoperator.OperatorPartial.__del__", lambda _: None)


@pytest.mark.usefixtures("mapped_in_vain")
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
        pytest.param({"startup_patience": {"ErrImagePull": -1}}, "startup_patience: ErrImagePull", id="no patience"),
        pytest.param({"startup_patience": 5}, "startup_patience: must be a dict", id="patience with nothing"),
        pytest.param({"workload_priority_class": "a b"}, "workload_priority_class: 'a b'", id="no priority class"),
        pytest.param({"max_restarts": -1}, "max_restarts: .*-1", id="less than no restarts"),
        pytest.param({"log_nodes": "1"}, "log_nodes: .*'all' or a list of ranks", id="nodes as text"),
        pytest.param({"log_nodes": [1, -2]}, "log_nodes: .*-2", id="a node before the first"),
        pytest.param({"labels": {"a": 1}}, "labels: a must be text", id="a number for a label"),
        pytest.param({"labels": {"a": "b c"}}, "labels: a='b c'", id="no value of a label"),
        pytest.param({"annotations": {"a b": "c"}}, "annotations: 'a b'", id="no key"),
        pytest.param({"runtime_kind": "foo"}, "runtime_kind: 'foo' is not known", id="no kind of runtime"),
        pytest.param({"runtime": 5}, "runtime: 5 is no TorchTune runtime", id="a number for a runtime"),
        pytest.param({"namespace": "ML_team"}, "namespace: 'ML_team' must be lower-case", id="no name of a namespace"),
        pytest.param({"queue_name": "a b"}, "queue_name: 'a b' must be up to 63", id="no name of a queue"),
        pytest.param({"deferrable": "no"}, "deferrable: must be True or False, not 'no'", id="text for a truth value"),
        pytest.param({"deferrable": None}, "deferrable: must be True or False, not None", id="no truth value"),
        pytest.param({"get_logs": None}, "get_logs: must be True or False, not None", id="no other truth value"),
        pytest.param({"on_kill_action": None}, "on_kill_action: None", id="None for an action"),
        pytest.param({"runtime_kind": None}, "runtime_kind: None", id="None for a kind"),
        pytest.param({"in_cluster": "yes"}, "in_cluster: must be True or False", id="text for another"),
        pytest.param({"config_file": 5}, "config_file: must be text, not 5", id="a number for a path"),
        pytest.param({"initializer": "hf://a/b"}, r"initializer: must be Initializer\(...\) or a dict", id="text"),
        pytest.param({"config": TorchTuneConfig}, "the class TorchTuneConfig; write TorchTuneConfig", id="a class"),
    ],
)
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
@pytest.mark.parametrize("runtime", [FINE["runtime"], "torchtune-llama3.3-70b"], ids=["Trainer's", "another"])
def test_a_wrong_argument_is_refused_at_parse(wrong: dict[str, Any], message: str, mapped: bool, runtime: str) -> None:
    with DAG("d"), pytest.raises(ConfigError, match=message) as refused:
        make(mapped, **(FINE | {"config": CONFIG, "runtime": runtime} | wrong))
    assert str(refused.value).startswith(next(iter(wrong)))


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("name", sorted(CHECKED.keys() - set(BuiltinTrainerOperator.template_fields)))
@pytest.mark.parametrize("mapped", [False, True], ids=["plain", "mapped"])
@pytest.mark.parametrize("source", ["Jinja", "XComArg"])
def test_a_template_that_nobody_would_render_is_refused(name: str, mapped: bool, source: str) -> None:
    with DAG("d"):

        @task
        def value() -> Any: ...

        given = "{{ params.value }}" if source == "Jinja" else value()
        with pytest.raises(ConfigError, match=f"^{name}: "):
            make(mapped, **(FINE | {"config": CONFIG, name: given}))


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("values", [[{"batch_size": 0}], [CONFIG, {"epochs": "x"}]], ids=["only", "among others"])
def test_a_mistake_in_what_is_mapped_over_is_refused_at_parse(values: list[dict[str, Any]]) -> None:
    partial = BuiltinTrainerOperator.partial(**FINE)

    with DAG("d"), pytest.raises(ConfigError, match=r"config\."):
        partial.expand(config=values)


IMPOSSIBLE = [
    pytest.param({"num_nodes": 3, "peft_config": {}}, "num_nodes: 3 with peft_config", id="LoRA on several nodes"),
    pytest.param({"packed": True}, "packed: needs max_seq_len", id="packing into no length"),
    pytest.param({"resources_per_node": {"gpu": 0}}, "device: there is no GPU", id="no GPU"),
    pytest.param(
        {"resources_per_node": {"gpu": 2}, "num_proc_per_node": 3}, "num_proc_per_node: 3 on 2 GPUs", id="too many"
    ),
    pytest.param(
        {"overrides": {"output_dir": "x"}}, "overrides: 'output_dir' is the runtime's", id="the runtime's key"
    ),
    pytest.param({"optimizer_in_bwd": True, "clip_grad_norm": 1.0}, "clip_grad_norm: .*leave clip_grad", id="clipping"),
]
FINE_ANYWHERE: dict[str, Any] = {"dataset_preprocess_config": {"source": "json"}}
WAYS = ["plain", "partial", "expand", "expand_kwargs", "runtime expanded"]


def parse(way: str, config: Any, **arguments: Any) -> None:
    arguments = {**FINE, **arguments}
    runtime = arguments.pop("runtime")
    kind = BuiltinTrainerOperator
    with DAG("d"):
        match way:
            case "plain":
                kind(**arguments, runtime=runtime, config=config)
            case "partial":
                kind.partial(**arguments, runtime=runtime, config=config).expand(name=["a"])
            case "expand":
                kind.partial(**arguments, runtime=runtime).expand(config=[FINE_ANYWHERE, config])
            case "expand_kwargs":
                kind.partial(**arguments).expand_kwargs([{"runtime": runtime, "config": config}])
            case _:
                kind.partial(**arguments, config=config).expand(runtime=[runtime])


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("torchtune-llama3.2-1b", id="Trainer's runtime"),
        pytest.param("torchtune-llama3.3-70b", id="a runtime that nobody has read"),
        pytest.param("{{ params.runtime }}", id="any runtime"),
    ],
)
@pytest.mark.parametrize(("wrong", "message"), IMPOSSIBLE)
def test_a_config_that_cannot_work_is_refused_as_far_as_it_is_known(
    wrong: dict[str, Any], message: str, runtime: str, way: str
) -> None:
    # Templates beside the mistake, and elsewhere, do not hide it.
    config = {"learning_rate": "{{ params.rate }}", "dataset_preprocess_config": {"source": "{{ params.format }}"}}

    with pytest.raises(ConfigError, match=rf"^config\.{message}"):
        parse(way, config | wrong, runtime=runtime, namespace="{{ params.namespace }}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"num_nodes": 3, "peft_config": "{{ params.lora }}"}, id="perhaps no LoRA"),
        pytest.param({"num_nodes": "{{ params.nodes }}", "peft_config": {}}, id="perhaps one node"),
        pytest.param({"packed": True, "overrides": "{{ params.overrides }}"}, id="perhaps a length"),
        pytest.param({"packed": True, "max_seq_len": "{{ params.length }}"}, id="a length"),
        pytest.param({"packed": True, "num_nodes": "{{ params.nodes }}"}, id="perhaps the length of the large model"),
        pytest.param({"device": "cuda", "resources_per_node": {"cpu": 8}}, id="perhaps GPUs of the runtime's"),
        pytest.param({"num_proc_per_node": 64}, id="perhaps a runtime with many GPUs"),
        pytest.param(
            {"optimizer_in_bwd": True, "overrides": ["clip_grad_norm={{ params.norm }}"]}, id="a command line"
        ),
        pytest.param({"optimizer_in_bwd": True, "clip_grad_norm": "{{ params.norm }}"}, id="perhaps no clipping"),
        pytest.param("{{ params.config }}", id="any config"),
    ],
)
def test_what_may_work_once_it_is_known_is_not_refused(config: Any, way: str) -> None:
    if isinstance(config, dict):
        config = FINE_ANYWHERE | config

    parse(way, config, runtime="torchtune-llama3.3-70b")


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("config", [CONFIG, "{{ params.config }}"], ids=["a config", "any config"])
def test_a_runtime_whose_name_tells_no_model_is_refused(config: Any, way: str) -> None:
    with pytest.raises(ConfigError, match="runtime: 'my-runtime' is no TorchTune runtime"):
        parse(way, config, runtime="my-runtime")


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_would_be_deleted_is_refused_and_one_that_is_not_kept_is_warned_of(way: str) -> None:
    with pytest.warns(UserWarning, match=r"task 't' trains is deleted with its TrainJob"):
        parse(way, CONFIG, output=None)
    with pytest.raises(ConfigError, match="on_finish_action: 'delete_trainjob' would delete the trained model"):
        parse(way, CONFIG, output=None, on_finish_action="delete_trainjob")


RESUMED = CONFIG | {"resume_from_checkpoint": True}


@pytest.mark.usefixtures("mapped_in_vain")
@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_is_not_looked_for_in_a_folder_that_is_new_to_each_try(way: str) -> None:
    with pytest.raises(ConfigError, match=r"config.resume_from_checkpoint: .*sub_path=\.\.\."):
        parse(way, RESUMED)
    parse(way, RESUMED, output={"claim_name": "models", "sub_path": "llama"})
    parse(way, RESUMED, output={"claim_name": "models", "sub_path": "{{ params.folder }}"})
    parse(way, RESUMED | {"overrides": {"checkpointer.recipe_checkpoint": "/mnt/recipe_state.pt"}})


@pytest.mark.filterwarnings("ignore:output is not set:UserWarning")
def test_no_checkpoint_is_looked_for_on_a_volume_that_is_deleted_with_each_trainjob() -> None:
    arguments = {"runtime": FINE["runtime"], "config": RESUMED}

    with DAG("d"), pytest.raises(ConfigError, match="config.resume_from_checkpoint"):
        BuiltinTrainerOperator(task_id="t", **arguments)
    with DAG("e"):
        BuiltinTrainerOperator(task_id="t", **arguments, runtime_patches=[RuntimePatch()])


@pytest.mark.parametrize("way", WAYS)
def test_a_data_set_that_nobody_says_how_to_read_is_warned_of(way: str) -> None:
    with pytest.warns(UserWarning, match="alpaca"):
        parse(way, {"epochs": 1})


@pytest.mark.usefixtures("mapped_in_vain")
def test_a_list_is_a_list_in_mapped_tasks_too() -> None:
    with DAG("d"), pytest.raises(ConfigError, match="runtime_patches: must be a list"):
        BuiltinTrainerOperator.partial(**FINE, config=CONFIG).expand(runtime_patches=[RuntimePatch()])
    with DAG("d"), pytest.raises(ConfigError, match=r"config: must be TorchTuneConfig\(...\)"):
        BuiltinTrainerOperator.partial(**FINE, config=[CONFIG])


def test_what_only_xcoms_can_tell_is_left_to_the_run() -> None:
    with DAG("d"):

        @task
        def arguments() -> Any: ...

        BuiltinTrainerOperator.partial(**FINE).expand(config=arguments())
        BuiltinTrainerOperator.partial(task_id="u").expand_kwargs(arguments())


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
