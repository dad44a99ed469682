"""What an operator does on a worker, against a cluster: submit once, adopt, wait, clean up, be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.cluster import waiting
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.config import PersistentVolumeOutput
from airflow_kubeflow_trainer.exceptions import (
    ClusterUnreachableError,
    ConfigError,
    NotFoundError,
    TrainJobDeletedError,
    TrainJobNotStartedError,
    TrainJobRejectedError,
    TrainJobTimeoutError,
    UnauthorizedError,
    UserCodeError,
)
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.operators import execution
from airflow_kubeflow_trainer.operators.tries import identity_of
from airflow_kubeflow_trainer.trainjob.manifest import JobOptions
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from airflow_kubeflow_trainer.trainjob.starting import DEFAULT_PATIENCE
from airflow_kubeflow_trainer.triggers.trainjob import TrainJobTrigger
from tests.shell_operator import ShellOperator, Task

LABEL = "airflow.kubeflow-trainer.io/try-number"
STARTED = datetime.now(UTC)


def operator(script: str, **kwargs: Any) -> ShellOperator:
    with DAG(f"d_{uuid4().hex}"):
        return ShellOperator(
            task_id="t", script=script, kubernetes_conn_id="test_cluster", **{"deferrable": False} | kwargs
        )


def mine(hook: KubeflowTrainerHook, task: Task) -> list[dict[str, Any]]:
    return [tj for tj in hook.list() if task.run_id in (tj["metadata"].get("annotations") or {}).values()]


def test_a_task_that_waits_on_the_worker_ends_with_its_trainjob(hook: KubeflowTrainerHook, task: Task) -> None:
    assert operator("echo hello").execute(task.context()) is None

    (trainjob,) = mine(hook, task)
    assert task.xcoms["trainjob"] == {key: trainjob["metadata"][key] for key in ("name", "namespace", "uid")}
    assert list(hook.logs(trainjob["metadata"]["name"])) == ["hello"]
    with pytest.raises(NotFoundError, match="no-such-job"):
        list(hook.logs("no-such-job"))
    assert hook.diagnose(trainjob["metadata"]["name"]) is None


def test_a_task_that_defers_hands_over_names_and_numbers_only(
    hook: KubeflowTrainerHook, task: Task, local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow stores a trigger's arguments and events, and shows them."""
    extra = {"kube_config": local_cluster.kubeconfig.read_text(), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    with pytest.raises(TaskDeferred) as deferred:
        operator("exit 3", deferrable=True, max_restarts=0).execute(task.context())

    trigger = deferred.value.trigger
    assert isinstance(trigger, TrainJobTrigger)
    _, kwargs = trigger.serialize()
    assert TrainJobTrigger(**json.loads(json.dumps(kwargs))).serialize()[1] == kwargs
    assert kwargs["wait"]["uid"] == task.xcoms["trainjob"]["uid"]
    stored = json.dumps([kwargs, deferred.value.kwargs, task.xcoms, asyncio.run(_event_of(trigger))])
    assert len(stored) < 8_192
    assert [secret for secret in (local_cluster.token, "certificate-authority", "exit 3") if secret in stored] == []


class Caught(Exception):  # noqa: N818
    """A wait on the worker was about to begin."""


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        pytest.param({"admission_timeout": 11}, "admission_timeout", 11, id="admission_timeout"),
        pytest.param({"startup_timeout": timedelta(minutes=2)}, "startup_timeout", 120, id="startup_timeout"),
        pytest.param({"run_timeout": 13}, "run_timeout", 13, id="run_timeout"),
        pytest.param({"max_restarts": 2}, "max_restarts", 2, id="max_restarts"),
        pytest.param({"get_logs": False}, "get_logs", False, id="get_logs"),
        pytest.param({"log_nodes": [1, 3]}, "log_nodes", [1, 3], id="log_nodes"),
        pytest.param(
            {"startup_patience": {"ImagePullBackOff": 5}},
            "startup_patience",
            {**DEFAULT_PATIENCE, "ImagePullBackOff": 5},
            id="startup_patience",
        ),
        pytest.param(
            {"execution_timeout": timedelta(seconds=90)}, "deadline", STARTED.timestamp() + 90, id="execution_timeout"
        ),
    ],
)
def test_both_ways_of_waiting_wait_for_the_same(
    hook: KubeflowTrainerHook,
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    field: str,
    value: Any,
) -> None:
    waits: list[dict[str, Any]] = []

    def catch(hook: Any, identity: Any, wait: WaitSpec, *_: Any) -> Any:
        waits.append(wait.to_dict())
        raise Caught

    monkeypatch.setattr(execution, "wait_here", catch)
    context = task.context()
    context["ti"].start_date = STARTED

    with pytest.raises(Caught):
        operator("exec sleep 60", **settings).execute(context)
    with pytest.raises(TaskDeferred) as deferred:
        operator("exec sleep 60", deferrable=True, **settings).execute(context)
    waits.append(deferred.value.trigger.wait)

    assert waits[0] == waits[1]
    assert waits[1][field] == value


async def _event_of(trigger: Any) -> Any:
    return (await anext(trigger.run())).payload


@pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])
def test_both_ways_of_waiting_fail_with_the_same_words(hook: KubeflowTrainerHook, task: Task, deferrable: bool) -> None:
    shell = operator("echo last words; exit 7", deferrable=deferrable)

    def run() -> Any:
        try:
            shell.execute(task.context())
        except TaskDeferred as deferred:
            shell.execute_complete(task.context(), asyncio.run(_event_of(deferred.trigger)))

    with pytest.raises(UserCodeError) as failed:
        run()

    # Seven runs of a container that fails at once: that is Trainer's own patience.
    assert "exit code 7, after 6 restarts" in str(failed.value)
    assert "last words" in str(failed.value)


def test_a_try_that_runs_twice_submits_once(hook: KubeflowTrainerHook, task: Task) -> None:
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            operator("exec sleep 60", deferrable=True).execute(task.context())

    assert len(mine(hook, task)) == 1


def test_a_creation_whose_answer_was_lost_is_not_repeated(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, lost = TrainJobApi.create, []

    async def lose_the_answer(self: TrainJobApi, manifest: Any, *, dry_run: bool = False) -> Any:
        answer = await create(self, manifest, dry_run=dry_run)
        if not lost:
            lost.append(answer)
            raise ClusterUnreachableError("the connection broke")
        return answer

    monkeypatch.setattr(TrainJobApi, "create", lose_the_answer)

    with pytest.raises(TaskDeferred):
        operator("exec sleep 60", deferrable=True).execute(task.context())

    (trainjob,) = mine(hook, task)
    assert trainjob["metadata"]["uid"] == lost[0]["metadata"]["uid"] == task.xcoms["trainjob"]["uid"]


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


def test_an_error_is_shown_without_what_it_does_not_come_from(hook: KubeflowTrainerHook) -> None:
    with pytest.raises(NotFoundError) as raised:
        hook.get("no-such-trainjob")

    assert "event loop" not in "".join(traceback.format_exception(raised.value))


def test_a_run_that_is_given_the_same_ids_again_trains_again(hook: KubeflowTrainerHook, task: Task) -> None:
    operator("echo first").execute(task.context())
    task.ti_id = uuid4().hex

    operator("echo second").execute(task.context())

    assert len(mine(hook, task)) == 2


def test_a_kill_that_comes_after_the_end_keeps_what_was_trained(hook: KubeflowTrainerHook, task: Task) -> None:
    shell = operator("true")
    shell.execute(task.context())

    shell.on_kill()

    assert len(mine(hook, task)) == 1


def test_a_cluster_that_cannot_be_asked_any_more_is_no_reason_to_end_a_training(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(waiting, "wait", break_off)

    with pytest.raises(ClusterUnreachableError, match="RuntimeError: a bug"):
        operator("exec sleep 60").execute(task.context())

    assert len(mine(hook, task)) == 1


def test_credentials_that_expire_are_read_anew(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, used, refused = Client._send_as, [], []

    async def good_for_one_request(self: Client, credentials: Credentials, *args: Any, **kwargs: Any) -> Any:
        if credentials in used and len(refused) < 3:
            refused.append(credentials)
            raise UnauthorizedError(401, "Unauthorized", "Unauthorized")
        used.append(credentials)
        return await send(self, credentials, *args, **kwargs)

    monkeypatch.setattr(Client, "_send_as", good_for_one_request)

    operator("true").execute(task.context())

    assert len(refused) == 3


def test_a_new_try_ends_what_an_earlier_one_left_running(hook: KubeflowTrainerHook, task: Task) -> None:
    with pytest.raises(TaskDeferred):
        operator("exec sleep 60", deferrable=True).execute(task.context(try_number=1))

    operator("true").execute(task.context(try_number=2))

    assert [trainjob["metadata"]["labels"][LABEL] for trainjob in mine(hook, task)] == ["2"]


@pytest.mark.parametrize(
    ("action", "script", "left"),
    [
        pytest.param("keep_trainjob", "true", 1, id="kept"),
        pytest.param("delete_trainjob", "true", 0, id="deleted"),
        pytest.param("delete_succeeded_trainjob", "true", 0, id="deleted since it succeeded"),
    ],
)
def test_what_becomes_of_a_trainjob_that_ended(
    hook: KubeflowTrainerHook, task: Task, action: str, script: str, left: int
) -> None:
    operator(script, on_finish_action=action).execute(task.context())

    assert len(mine(hook, task)) == left


@pytest.mark.parametrize(
    ("action", "left"),
    [("delete_trainjob", []), ("keep_trainjob", [False]), ("suspend_trainjob", [True])],
    ids=["deleted", "kept", "suspended"],
)
def test_a_trainjob_that_outlives_its_time_is_not_left_to_itself(
    hook: KubeflowTrainerHook, task: Task, action: str, left: list[bool]
) -> None:
    with pytest.raises(TrainJobNotStartedError, match="startup_timeout"):
        operator("true", gpus=512, on_kill_action=action, startup_timeout=1).execute(task.context())

    assert [bool(trainjob["spec"].get("suspend")) for trainjob in mine(hook, task)] == left


def test_a_worker_that_is_told_to_end_deletes_its_trainjob(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = operator("exec sleep 60")
    wait_here = execution.wait_here

    def wait_and_be_killed(*args: Any) -> Any:
        killer = threading.Thread(target=shell.on_kill)
        killer.start()
        try:
            return wait_here(*args)
        finally:
            killer.join()

    monkeypatch.setattr(execution, "wait_here", wait_and_be_killed)

    with pytest.raises(TrainJobDeletedError):
        shell.execute(task.context())

    assert mine(hook, task) == []


def test_a_signal_during_the_creation_leaves_nothing_behind(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = operator("exec sleep 60", deferrable=True)
    create = TrainJobApi.create

    async def interrupted(self: TrainJobApi, manifest: Any, *, dry_run: bool = False) -> Any:
        shell.on_kill()
        return await create(self, manifest, dry_run=dry_run)

    monkeypatch.setattr(TrainJobApi, "create", interrupted)

    with pytest.raises(TrainJobDeletedError):
        shell.execute(task.context())

    assert mine(hook, task) == []


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


def test_dry_run_prints_the_trainjob(capsys: pytest.CaptureFixture[str]) -> None:
    operator("echo hi").dry_run()

    assert "kind: TrainJob" in capsys.readouterr().out


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


@pytest.mark.parametrize("action", ["keep_trainjob", "delete_trainjob"])
def test_a_trainjob_that_is_gone_when_its_task_resumes_is_not_missed(
    hook: KubeflowTrainerHook, task: Task, action: str
) -> None:
    options = {"deferrable": True, "on_finish_action": action}
    with pytest.raises(TaskDeferred) as deferred:
        operator("true", **options).execute(task.context())
    event = asyncio.run(_event_of(deferred.value.trigger))
    assert hook.delete(event["name"], uid=event["uid"])

    # Another process, so another operator: nothing but the event is left.
    assert operator("true", **options).execute_complete(task.context(), event) is None


@pytest.mark.parametrize("deferrable", [False, True], ids=["on the worker", "deferred"])
@pytest.mark.parametrize(
    ("settings", "error", "left"),
    [
        pytest.param({"max_restarts": 0, "script": "exit 3"}, UserCodeError, 0, id="max_restarts"),
        pytest.param({"run_timeout": 1}, TrainJobTimeoutError, 0, id="run_timeout"),
        pytest.param({"startup_timeout": 1, "gpus": 512}, TrainJobNotStartedError, 0, id="startup_timeout"),
        pytest.param(
            {"startup_patience": {"Unschedulable": 0}, "gpus": 512}, TrainJobNotStartedError, 0, id="patience"
        ),
        pytest.param({"run_timeout": 1, "on_kill_action": "keep_trainjob"}, TrainJobTimeoutError, 1, id="on_kill"),
        pytest.param({"on_finish_action": "delete_trainjob", "script": "true"}, None, 0, id="on_finish_action"),
    ],
)
def test_a_setting_means_the_same_in_both_modes(
    hook: KubeflowTrainerHook,
    task: Task,
    deferrable: bool,
    settings: dict[str, Any],
    error: type[Exception] | None,
    left: int,
) -> None:
    settings = {"script": "exec sleep 60", "deferrable": deferrable} | settings

    def run() -> None:
        try:
            operator(**settings).execute(task.context())
        except TaskDeferred as deferred:
            # Another process, so another operator.
            operator(**settings).execute_complete(task.context(), asyncio.run(_event_of(deferred.trigger)))

    with pytest.raises(error) if error is not None else contextlib.nullcontext():
        run()

    assert len(mine(hook, task)) == left
