"""What is refused, by whom, and in which words: when the DAG is parsed, before anything is sent, and by the cluster."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import PersistentVolumeOutput
from airflow_kubeflow_trainer.exceptions import (
    ConfigError,
    TrainJobRejectedError,
)
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.operators.tries import identity_of
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from tests.local.operators.conftest import mine, operator
from tests.shell_operator import Task


def test_a_strangers_trainjob_is_not_adopted(hook: KubeflowTrainerHook, task: Task) -> None:
    shell = operator("true")
    stranger = shell.manifest()
    stranger["metadata"] = {
        "name": shell.manifest(identity_of(task.context()))["metadata"]["name"],
    }
    hook.submit(stranger)

    with pytest.raises(TrainJobRejectedError, match="exists already and is not this task's"):
        shell.execute(task.context())

    assert hook.delete(stranger["metadata"]["name"])


def test_a_runtime_that_does_not_exist_is_named_with_those_that_do(hook: KubeflowTrainerHook, task: Task) -> None:
    shell = operator("true")
    shell.runtime = "no-such-runtime"

    with pytest.raises(TrainJobRejectedError, match=r"no ClusterTrainingRuntime 'no-such-runtime'.*torch-distributed"):
        shell.execute(task.context())


def test_the_admissions_words_reach_the_user_as_they_are(hook: KubeflowTrainerHook, task: Task) -> None:
    shell = operator("true")
    build = shell.build_manifest

    def wrong(options: JobOptions) -> dict[str, Any]:
        manifest = build(options)
        manifest["spec"]["trainer"]["env"] = [{"name": "PET_NNODES", "value": "2"}]
        return manifest

    shell.build_manifest = wrong  # type: ignore[method-assign]

    with pytest.raises(
        TrainJobRejectedError, match=r"must not have reserved envs, invalid envs configured: \[PET_NNODES\]"
    ):
        shell.execute(task.context())


def test_a_field_that_is_wrong_ends_the_task_whatever_its_retries_and_a_refusal_does_not(
    hook: KubeflowTrainerHook, task: Task
) -> None:
    wrong = operator("true")
    wrong.labels = {"team": "no label!"}
    with pytest.raises(ConfigError, match=r"^labels") as refused:
        wrong.execute(task.context())
    assert isinstance(refused.value, AirflowFailException)
    assert type(refused.value).__name__ == "ConfigError"

    missing = operator("true")
    missing.runtime = "no-such-runtime"
    with pytest.raises(TrainJobRejectedError) as rejected:
        missing.execute(task.context())
    # Somebody may make it meanwhile.
    assert not isinstance(rejected.value, AirflowFailException)


def test_deleting_a_trainjob_that_holds_the_only_copy_of_the_model_is_refused_at_parse() -> None:
    with (
        DAG("d"),
        pytest.raises(ConfigError, match=r"on_finish_action: 'delete_trainjob' would delete the trained model"),
    ):
        BuiltinTrainerOperator(
            task_id="t",
            runtime="torchtune-llama3.2-1b",
            config={"resources_per_node": {"gpu": 1}},
            on_finish_action="delete_trainjob",
        )


def test_a_model_that_nobody_keeps_is_warned_of_at_parse() -> None:
    with DAG("d"), pytest.warns(UserWarning, match="deleted with its TrainJob"):
        BuiltinTrainerOperator(
            task_id="t",
            runtime="torchtune-llama3.2-1b",
            config={"resources_per_node": {"gpu": 1}, "dataset_preprocess_config": {"source": "json"}},
        )


def test_a_runtime_of_ones_own_is_judged_when_it_is_read_not_before() -> None:
    with DAG("d"):
        made = BuiltinTrainerOperator(
            task_id="t",
            runtime="acme-llama3.2-1b",
            # On Trainer's stock runtime, with its two GPUs, this would be refused.
            config={"peft_config": {"quantize_base": True}, "dataset_preprocess_config": {"source": "json"}},
            output=PersistentVolumeOutput("models"),
        )

    assert made.stock_runtime() is None
    assert RuntimeView.stock("torchtune-llama3.2-1b") is not None


@pytest.mark.parametrize(
    ("argument", "value"), [("queue_name", "team-a"), ("on_kill_action", "suspend_trainjob")], ids=lambda value: value
)
def test_a_queue_or_suspension_that_would_hang_is_refused_with_the_remedy(
    hook: KubeflowTrainerHook, task: Task, argument: str, value: str
) -> None:
    shell = operator("true", **{argument: value})
    shell.runtime = "torchtune-llama3.2-1b"

    with pytest.raises(ConfigError, match=rf"{argument}: .*kubectl get clustertrainingruntime torchtune-llama3.2-1b"):
        shell.execute(task.context())

    assert mine(hook, task) == []


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "resumed"])
def test_a_trainjob_that_cannot_be_suspended_or_resumed_is_left_as_it_is(
    hook: KubeflowTrainerHook, task: Task, suspend: bool
) -> None:
    shell = operator("true", on_kill_action="suspend_trainjob")
    manifest = shell.manifest(identity_of(task.context()))
    manifest["spec"]["runtimeRef"]["name"] = "torchtune-llama3.2-1b"
    del manifest["spec"]["runtimePatches"], manifest["metadata"]["namespace"]
    trainjob = hook.submit(manifest)

    with pytest.raises(ConfigError, match="suspend: TrainJobs of runtime 'torchtune-llama3.2-1b' cannot be suspended"):
        (hook.suspend if suspend else hook.resume)(trainjob["metadata"]["name"])

    assert hook.get(trainjob["metadata"]["name"])["spec"].get("suspend") is trainjob["spec"].get("suspend")
