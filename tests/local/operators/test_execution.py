"""What an operator does on a worker, against a cluster: submit once, adopt, wait, clean up, be killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import threading
import traceback
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferralError, TaskDeferralTimeout, TaskDeferred
from airflow.sdk.execution_time.timeout import timeout

from airflow_kubeflow_trainer.cluster import ending, patience, waiting
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import (
    ClusterUnreachableError,
    ConflictError,
    NotFoundError,
    TrainJobDeletedError,
    TrainJobNotStartedError,
    UnauthorizedError,
)
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.operators import execution
from tests.local.operators.conftest import mine, operator
from tests.shell_operator import Task

LABEL = "airflow.kubeflow-trainer.io/try-number"


def test_a_task_that_waits_on_the_worker_ends_with_its_trainjob(hook: KubeflowTrainerHook, task: Task) -> None:
    assert operator("echo hello").execute(task.context()) is None

    (trainjob,) = mine(hook, task)
    assert task.xcoms["trainjob"] == {key: trainjob["metadata"][key] for key in ("name", "namespace", "uid")}
    assert list(hook.logs(trainjob["metadata"]["name"])) == ["hello"]
    with pytest.raises(NotFoundError, match="no-such-job"):
        list(hook.logs("no-such-job"))
    assert hook.diagnose(trainjob["metadata"]["name"]) is None


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


@pytest.mark.parametrize(("action", "left"), [("delete_trainjob", 0), ("keep_trainjob", 1)])
@pytest.mark.parametrize(
    ("why", "error"),
    [
        pytest.param("Trigger timeout", TaskDeferralTimeout, id="no triggerer in time"),
        pytest.param("Trigger failure", TaskDeferralError, id="a trigger that cannot begin"),
    ],
)
def test_a_trigger_that_airflow_gives_up_leaves_its_trainjob_as_a_kill_would(
    hook: KubeflowTrainerHook, task: Task, action: str, left: int, why: str, error: type[Exception]
) -> None:
    shell = operator("exec sleep 60", deferrable=True, on_kill_action=action)
    with pytest.raises(TaskDeferred):
        shell.execute(task.context())

    with pytest.raises(error, match=why):
        shell.resume_execution("__fail__", {"error": why}, task.context())

    assert len(mine(hook, task)) == left


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
    monkeypatch.setattr(ending, "UNANSWERED_SECONDS", 0.0)
    shell = operator("exec sleep 60", deferrable=True)
    create = TrainJobApi.create

    async def interrupted(self: TrainJobApi, manifest: Any, *, dry_run: bool = False) -> Any:
        shell.on_kill()
        return await create(self, manifest, dry_run=dry_run)

    monkeypatch.setattr(TrainJobApi, "create", interrupted)

    with pytest.raises(TrainJobDeletedError):
        shell.execute(task.context())

    assert mine(hook, task) == []


@pytest.fixture
def alarm() -> Iterator[None]:
    """Airflow's alarm takes the place of pytest's: a process has one."""
    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


@pytest.mark.parametrize("hidden", [0, 1], ids=["seen at once", "seen a moment later"])
def test_a_task_whose_time_is_over_during_the_creation_leaves_nothing_behind(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch, alarm: None, hidden: int
) -> None:
    shell = operator("exec sleep 60", deferrable=True)
    create, get, looks = TrainJobApi.create, TrainJobApi.get, itertools.count(1)

    async def create_without_an_answer(self: TrainJobApi, manifest: Any, *, dry_run: bool = False) -> Any:
        await create(self, manifest, dry_run=dry_run)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        await asyncio.Event().wait()

    async def get_what_shows(self: TrainJobApi, name: str) -> Any:
        if next(looks) <= hidden:
            raise NotFoundError(404, "NotFound", name)
        return await get(self, name)

    monkeypatch.setattr(TrainJobApi, "create", create_without_an_answer)
    monkeypatch.setattr(TrainJobApi, "get", get_what_shows)

    # As Airflow's task runner does.
    with pytest.raises(AirflowTaskTimeout), timeout(600):
        shell.execute(task.context())
    shell.on_kill()

    assert mine(hook, task) == []


def test_a_trainjob_that_airflow_cannot_be_told_of_is_deleted(hook: KubeflowTrainerHook, task: Task) -> None:
    def refuse(key: str, value: Any) -> None:
        raise RuntimeError(f"Airflow takes no {key}")

    context = task.context()
    context["ti"].xcom_push = refuse

    with pytest.raises(RuntimeError, match="Airflow takes no trainjob"):
        operator("exec sleep 60", deferrable=True).execute(context)

    assert mine(hook, task) == []


def test_a_creation_that_is_never_answered_leaves_nothing_behind(
    hook: KubeflowTrainerHook, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = TrainJobApi.create

    async def lose_the_answer(self: TrainJobApi, manifest: Any, *, dry_run: bool = False) -> Any:
        with contextlib.suppress(ConflictError):
            await create(self, manifest, dry_run=dry_run)
        raise ClusterUnreachableError("the connection broke")

    monkeypatch.setattr(TrainJobApi, "create", lose_the_answer)
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.5)

    with pytest.raises(ClusterUnreachableError, match="the connection broke"):
        operator("exec sleep 60", deferrable=True).execute(task.context())

    assert mine(hook, task) == []


@pytest.mark.parametrize("action", ["delete_trainjob", "suspend_trainjob", "keep_trainjob"])
def test_whatever_became_of_a_killed_trys_trainjob_the_next_try_has_the_only_one(
    hook: KubeflowTrainerHook, task: Task, action: str
) -> None:
    shell = operator("exec sleep 60", deferrable=True, on_kill_action=action)
    with pytest.raises(TaskDeferred):
        shell.execute(task.context(try_number=1))
    shell.on_kill()
    assert len(mine(hook, task)) == (0 if action == "delete_trainjob" else 1)

    with pytest.raises(TaskDeferred):
        operator("exec sleep 60", deferrable=True, on_kill_action=action).execute(task.context(try_number=2))

    assert [trainjob["metadata"]["labels"][LABEL] for trainjob in mine(hook, task)] == ["2"]


def test_dry_run_prints_the_trainjob(capsys: pytest.CaptureFixture[str]) -> None:
    operator("echo hi").dry_run()

    assert "kind: TrainJob" in capsys.readouterr().out
