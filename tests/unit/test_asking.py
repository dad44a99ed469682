"""What is asked of Airflow is answered, whatever becomes of who asks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from airflow.providers.common.compat import connection as connections
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ConnectionResult, ErrorResponse, GetConnection

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.exceptions import ClusterUnreachableError, UnauthorizedError
from airflow_kubeflow_trainer.hooks.asking import Together, ask
from airflow_kubeflow_trainer.hooks.connection import ClusterSettings
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook


async def test_a_question_under_way_gets_its_answer_where_the_trigger_is_cancelled() -> None:
    asked, may_answer, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def question() -> None:
        asked.set()
        await may_answer.wait()
        answered.set()

    trigger = asyncio.create_task(ask(question()))
    await asked.wait()

    trigger.cancel()

    with pytest.raises(asyncio.CancelledError):
        await trigger
    may_answer.set()
    async with asyncio.timeout(5):
        await answered.wait()


async def test_all_who_ask_for_a_connection_at_once_share_an_answer_and_who_comes_later_gets_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    may_answer = asyncio.Event()
    extra = {"kube_config": {"clusters": [], "users": [], "contexts": []}, "namespace": "ml"}

    async def answer(conn_id: str) -> Connection:
        asked.append(conn_id)
        await may_answer.wait()
        return Connection(conn_id=conn_id, conn_type="kubernetes", extra=json.dumps(extra))

    async def join() -> str:
        async with KubeflowTrainerHook("gpus").share() as cluster:
            return cluster.api.namespace

    monkeypatch.setattr(connections, "get_async_connection", answer)
    monkeypatch.setattr(ClusterSettings, "credentials", credentials)
    first, *others = [asyncio.create_task(join()) for _ in range(100)]
    while not asked:
        await asyncio.sleep(0)
    first.cancel()
    may_answer.set()

    assert await asyncio.gather(*others) == ["ml"] * 99
    assert asked == ["gpus"]
    assert await join() == "ml"
    assert asked == ["gpus", "gpus"]


async def test_who_asks_while_a_question_is_on_its_way_gets_the_answer_to_the_next_one() -> None:
    asked: list[str] = []
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def question(key: str) -> str:
        asked.append(key)
        return await answers.get()

    together = Together(question)
    first = asyncio.create_task(together.ask("a"))
    while not asked:
        await asyncio.sleep(0)
    later = [asyncio.create_task(together.ask("a")) for _ in range(3)]
    await asyncio.sleep(0)
    answers.put_nowait("before")
    answers.put_nowait("after")

    assert await first == "before"
    assert await asyncio.gather(*later) == ["after"] * 3
    assert asked == ["a", "a"]


async def test_a_question_that_fails_fails_those_who_asked_it_and_nobody_later() -> None:
    outcomes = iter([OSError("no answer"), "good"])

    async def question(key: str) -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    together = Together(question)

    failed = await asyncio.gather(together.ask("a"), together.ask("a"), return_exceptions=True)
    assert [str(error) for error in failed] == ["no answer"] * 2
    assert await together.ask("a") == "good"


class Supervisor:
    """What a task or a triggerer asks Airflow's API server through."""

    def __init__(self) -> None:
        self.hiccups = 0
        """How often there is no answer before there is one."""
        self.extra: dict[str, Any] | None = None
        """Of the connection; None where there is none."""

    def send(self, message: Any) -> Any:
        if not isinstance(message, GetConnection):
            return None
        if self.hiccups:
            self.hiccups -= 1
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))
        if self.extra is None:
            return ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": message.conn_id})
        unset = dict.fromkeys(("host", "schema", "login", "password", "port"))
        found = {"conn_id": message.conn_id, "conn_type": "kubernetes", "extra": json.dumps(self.extra)}
        return ConnectionResult.model_validate(unset | found)

    async def asend(self, message: Any) -> Any:
        return self.send(message)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    monkeypatch.setattr(ClusterSettings, "credentials", credentials)
    return supervisor


def test_a_default_connection_that_is_not_defined_is_done_without(supervisor: Supervisor) -> None:
    assert KubeflowTrainerHook().settings == ClusterSettings()


def test_a_default_connection_of_which_airflow_does_not_tell_is_not_done_without(supervisor: Supervisor) -> None:
    supervisor.hiccups = 2
    supervisor.extra = {"namespace": "ml"}
    hook = KubeflowTrainerHook()

    with pytest.raises(ClusterUnreachableError, match="does not say what its connection 'kubernetes_default' holds"):
        _ = hook.settings

    assert hook.namespace == "ml"


async def test_a_trigger_asks_again_for_a_connection_of_which_airflow_does_not_tell(supervisor: Supervisor) -> None:
    supervisor.hiccups = 3
    supervisor.extra = {"namespace": "ml"}

    async with KubeflowTrainerHook().share() as cluster:
        assert cluster.api.namespace == "ml"


@pytest.mark.parametrize("hiccups", [0, 3], ids=["it was deleted", "Airflow does not tell"])
async def test_whoever_has_had_a_connection_is_not_led_elsewhere_when_the_credentials_are_renewed(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, hiccups: int
) -> None:
    asked: list[str] = []

    async def refuse(self: Client, credentials: Credentials, *args: Any, **kwargs: Any) -> Any:
        asked.append(credentials.server)
        raise UnauthorizedError(401, "Unauthorized", "Unauthorized")

    monkeypatch.setattr(Client, "_send_as", refuse)
    supervisor.extra = {"namespace": "ml"}
    async with KubeflowTrainerHook().share() as cluster:
        supervisor.hiccups = hiccups
        supervisor.extra = supervisor.extra if hiccups else None
        with pytest.raises(UnauthorizedError):
            await cluster.api.get("x")

    assert asked == ["http://ml.example"] * 2


async def credentials(settings: ClusterSettings) -> Credentials:
    async def headers() -> dict[str, str]:
        return {}

    return Credentials(server=f"http://{settings.namespace}.example", ssl_context=None, headers=headers)
