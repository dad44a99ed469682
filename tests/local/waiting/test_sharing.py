"""Many waits over one watch, and whatever may happen to it meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_kubeflow_trainer.cluster import patience, watch
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials, from_kubeconfig
from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec, wait
from airflow_kubeflow_trainer.exceptions import ApiError, ForbiddenError, UnauthorizedError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause
from airflow_kubeflow_trainer.triggers.event import TrainJobEvent
from airflow_kubeflow_trainer.triggers.task_state import TaskKey
from airflow_kubeflow_trainer.triggers.trainjob import wait_for_event
from tests.proxy import Proxy, proxy_to, status
from tests.reporting import Recorder

TASK = {"dag_id": "d", "run_id": "r", "task_id": "t"}


class Triggerer:
    """Waits as a triggerer does: over feeds that all waits share."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.token = "first"
        self.renewals = 0
        self.no_renewal: list[Exception] = []
        """Why there are no new credentials, so many times."""
        self.client = Client(proxy.credentials(self.token), renew=self.renew)
        self.api = TrainJobApi(self.client, namespace="default")
        self.feeds = Feeds.of_namespace(self.api)

    async def renew(self) -> Credentials:
        if self.no_renewal:
            raise self.no_renewal.pop()
        self.renewals += 1
        return self.proxy.credentials(self.token)

    def wait(self, trainjob: dict[str, Any], reporter: Recorder | None = None, **spec: Any) -> asyncio.Task[Outcome]:
        metadata = trainjob["metadata"]
        wanted = WaitSpec(name=metadata["name"], uid=metadata["uid"], get_logs=False, **spec)
        return asyncio.create_task(wait(self.api, wanted, reporter or Recorder(), feeds=self.feeds))


@pytest.fixture
async def proxy(local_cluster: LocalCluster) -> AsyncIterator[Proxy]:
    async with proxy_to(await from_kubeconfig(local_cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
async def triggerer(proxy: Proxy) -> AsyncIterator[Triggerer]:
    triggerer = Triggerer(proxy)
    async with triggerer.client:
        yield triggerer


class Held:
    """TrainJobs that wait, suspended, until they are let go, and then end well."""

    def __init__(self, api: TrainJobApi, make: Callable[..., Awaitable[Any]]) -> None:
        self._api = api
        self._make = make
        self._names: list[str] = []

    async def __call__(self) -> dict[str, Any]:
        trainjob: dict[str, Any] = await self._make("true", suspend=True)
        self._names.append(trainjob["metadata"]["name"])
        return trainjob

    async def let_go(self) -> None:
        there = {trainjob["metadata"]["name"] for trainjob in await self._api.find()}
        for name in there & set(self._names):
            await self._api.set_suspend(name, False)


@pytest.fixture
def held(api: TrainJobApi, make: Callable[..., Awaitable[Any]]) -> Held:
    return Held(api, make)


def watching(proxy: Proxy) -> Callable[[], bool]:
    return lambda: len(proxy.watches) == 2


async def test_many_waits_cost_as_many_requests_as_one(triggerer: Triggerer, proxy: Proxy, held: Held) -> None:
    trainjobs = [await held() for _ in range(8)]
    waits = [triggerer.wait(trainjob) for trainjob in trainjobs]
    await proxy.until(watching(proxy))

    assert sorted(proxy.requests) == ["list pods", "list trainjobs", "watch pods", "watch trainjobs"]

    await held.let_go()
    assert [outcome.diagnosis for outcome in await asyncio.gather(*waits)] == [None] * 8
    assert proxy.count("watch") == 2


async def test_the_watch_lasts_from_the_first_wait_to_the_last(triggerer: Triggerer, proxy: Proxy, make: Any) -> None:
    first, second = triggerer.wait(await make("exec sleep 60")), triggerer.wait(await make("exec sleep 60"))
    await proxy.until(watching(proxy))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert len(proxy.watches) == 2

    second.cancel()
    await proxy.until(lambda: not proxy.watches)

    assert (await triggerer.wait(await make("true"))).diagnosis is None
    assert proxy.count("watch") == 4


async def test_a_wait_that_joins_hears_what_was_told_before_it_came(
    triggerer: Triggerer, proxy: Proxy, make: Any
) -> None:
    keeper = triggerer.wait(await make("exec sleep 60"))
    ended = await make("exit 0")
    assert (await triggerer.wait(ended)).diagnosis is None
    requests = len(proxy.requests)

    assert (await triggerer.wait(ended)).diagnosis is None

    # One list of the pods, once the end is known.
    assert proxy.requests[requests:] == ["list pods"]
    keeper.cancel()


async def test_a_trainjob_that_a_late_watch_has_not_heard_of_is_there_all_the_same(
    triggerer: Triggerer, proxy: Proxy, held: Held
) -> None:
    keeper = triggerer.wait(await held())
    await proxy.until(watching(proxy))
    proxy.mute = True
    asked: list[str] = []

    def refuse(request: web.Request) -> web.Response | None:
        if request.path.count("/") == 7:
            return status(403, "Forbidden", 'cannot get resource "trainjobs"')
        if "fieldSelector" not in request.query:
            return None
        asked.append(request.query["fieldSelector"])
        return status(500, "InternalError") if len(asked) <= 2 else None

    proxy.fault = refuse
    late = triggerer.wait(await held())
    # It is asked for by its name until there is a good answer.
    await proxy.until(lambda: len(asked) == 3)
    proxy.mute = False
    await held.let_go()

    assert (await late).diagnosis is None
    assert (await keeper).diagnosis is None


async def test_each_wait_is_told_once_that_it_may_not_see_its_pods_whoever_comes_later(
    triggerer: Triggerer, proxy: Proxy, held: Held
) -> None:
    proxy.fault = lambda request: status(403, "Forbidden", "no pods") if request.path.endswith("/pods") else None
    reporters = [Recorder() for _ in range(3)]
    waits = []
    for reporter in reporters:
        waits.append(triggerer.wait(await held(), reporter))
        await proxy.until(lambda reporter=reporter: bool(reporter.warnings))  # type: ignore[misc]
    await held.let_go()

    assert [outcome.diagnosis for outcome in await asyncio.gather(*waits)] == [None] * 3
    assert [reporter.warnings for reporter in reporters] == [
        ["Not permitted to list and watch pods, so less can be told: no pods"]
    ] * 3


async def test_a_success_is_one_though_the_cluster_does_not_say_how_its_pods_ended(
    triggerer: Triggerer, proxy: Proxy, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1.0)
    reporter = Recorder()
    wait = triggerer.wait(await make("sleep 3"), reporter)
    await proxy.until(lambda: "Running" in reporter.phases)

    proxy.fault = refusals(1000, lambda request: request.path.endswith("/pods"))
    proxy.cut()

    assert (await wait).diagnosis is None


async def test_one_that_is_deleted_ends_its_own_wait_only(triggerer: Triggerer, proxy: Proxy, held: Held) -> None:
    doomed, other = await held(), await held()
    waits = [triggerer.wait(doomed), triggerer.wait(other)]
    await proxy.until(watching(proxy))

    await triggerer.api.delete(doomed["metadata"]["name"])
    gone = await waits[0]
    await held.let_go()

    assert gone.diagnosis is not None
    assert gone.diagnosis.cause is Cause.DELETED
    assert (await waits[1]).diagnosis is None


async def test_what_happens_while_the_connection_is_down_is_not_missed(
    triggerer: Triggerer, proxy: Proxy, held: Held, api: TrainJobApi
) -> None:
    ends, vanishes = await held(), await held()
    waits = [triggerer.wait(ends), triggerer.wait(vanishes)]
    await proxy.until(watching(proxy))
    proxy.fault = lambda request: status(503, "ServiceUnavailable")
    proxy.cut()

    await api.delete(vanishes["metadata"]["name"])
    await held.let_go()
    await proxy.until(lambda: proxy.count("watch") >= 4)
    proxy.fault = lambda request: None

    assert (await waits[0]).diagnosis is None
    gone = (await waits[1]).diagnosis
    assert gone is not None
    assert gone.cause is Cause.DELETED


@pytest.mark.parametrize("words", ["in place of the watch", "in the watch"])
async def test_a_version_that_has_expired_leads_to_a_new_list_that_tells_what_is_gone(
    triggerer: Triggerer, proxy: Proxy, held: Held, api: TrainJobApi, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    # A list of many pages, one of which comes too late.
    monkeypatch.setattr(watch, "PAGE_SIZE", 1)
    ends, vanishes, other = await held(), await held(), await held()
    waits = [triggerer.wait(trainjob) for trainjob in (ends, vanishes, other)]
    await proxy.until(watching(proxy))
    expired: list[str] = []

    def expire(request: web.Request) -> web.Response | None:
        part = "watch" if "watch" in request.query else "page" if "continue" in request.query else ""
        if not part or part in expired or not request.path.endswith("/trainjobs"):
            return None
        expired.append(part)
        return in_a_watch(too_old()) if (part, words) == ("watch", "in the watch") else too_old()

    proxy.mute = True
    await api.delete(vanishes["metadata"]["name"])
    proxy.fault = expire
    proxy.cut()
    proxy.mute = False
    gone = (await waits[1]).diagnosis
    await held.let_go()

    assert gone is not None
    assert gone.cause is Cause.DELETED
    assert [outcome.diagnosis for outcome in await asyncio.gather(waits[0], waits[2])] == [None, None]
    assert expired == ["watch", "page"]


async def test_too_many_requests_are_asked_again_when_the_server_says(
    triggerer: Triggerer, proxy: Proxy, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(min(seconds, 0.01))

    refused: list[str] = []

    def refuse(request: web.Request) -> web.Response | None:
        if len(refused) < 2:
            refused.append(request.path)
            # As the API server's own limits answer: plain text, and a header.
            return web.Response(
                status=429, text="Too many requests, please try again later.", headers={"Retry-After": "7"}
            )
        return None

    proxy.fault = refuse
    monkeypatch.setattr(watch.asyncio, "sleep", nap)

    assert (await triggerer.wait(await make("true"))).diagnosis is None
    assert naps.count(7.0) == 2


async def test_a_connection_that_says_nothing_any_more_is_left(
    triggerer: Triggerer, proxy: Proxy, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENCE_SECONDS", 0.5)
    waiting = triggerer.wait(await held())
    await proxy.until(watching(proxy))
    proxy.mute = True
    await held.let_go()
    await proxy.until(lambda: proxy.count("watch") >= 4)
    proxy.mute = False

    assert (await waiting).diagnosis is None


async def test_tokens_may_expire_again_and_again(triggerer: Triggerer, proxy: Proxy, held: Held) -> None:
    waits = [triggerer.wait(await held()), triggerer.wait(await held())]
    await proxy.until(watching(proxy))

    for token in ("second", "third", "fourth"):
        triggerer.token = token
        await let_in_only(proxy, token)
    await held.let_go()

    assert [outcome.diagnosis for outcome in await asyncio.gather(*waits)] == [None, None]
    assert triggerer.renewals == 3


async def test_a_program_that_gives_tokens_is_asked_whenever_one_has_expired(
    proxy: Proxy, held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, program = tmp_path / "token", tmp_path / "give-token"
    answer = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}'
    program.write_text(f"#!/bin/sh\nprintf '{answer}' \"$(cat {token})\"\n")
    program.chmod(0o755)
    token.write_text("first")
    kubeconfig = proxy.kubeconfig()
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}
    kubeconfig["users"] = [{"name": "me", "user": {"exec": plugin}}]
    extra = {"kube_config": kubeconfig, "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_PLUGIN", json.dumps({"conn_type": "kubernetes", "extra": extra}))

    async with KubeflowTrainerHook("plugin").share() as cluster:
        wanted = WaitSpec(name=(await held())["metadata"]["name"], get_logs=False)
        waiting = asyncio.create_task(wait(cluster.api, wanted, Recorder(), feeds=cluster.feeds))
        await proxy.until(watching(proxy))
        for fresh in ("second", "third", "fourth"):
            token.write_text(fresh)
            await let_in_only(proxy, fresh)
        await held.let_go()

        assert (await waiting).diagnosis is None


NO_CREDENTIALS = [
    pytest.param(FileNotFoundError(2, "No such file or directory", "token"), "FileNotFoundError", id="no file"),
    pytest.param(RuntimeError("Airflow is down"), "RuntimeError: Airflow is down", id="no Airflow"),
    pytest.param(TimeoutError(), "TimeoutError", id="no answer"),
]


@pytest.mark.parametrize(("error", "words"), NO_CREDENTIALS)
async def test_credentials_that_cannot_be_renewed_for_a_while_end_no_wait(
    triggerer: Triggerer, proxy: Proxy, held: Held, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    caplog.set_level(logging.INFO)
    waiting = triggerer.wait(await held())
    await proxy.until(watching(proxy))

    triggerer.token, triggerer.no_renewal = "second", [error] * 3
    await let_in_only(proxy, "second")
    await held.let_go()

    assert (await waiting).diagnosis is None
    assert f"The cluster's credentials cannot be renewed: {words}" in caplog.text


@pytest.mark.parametrize(("error", "words"), NO_CREDENTIALS)
async def test_credentials_that_cannot_be_read_for_a_while_end_no_wait(
    triggerer: Triggerer, proxy: Proxy, held: Held, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    caplog.set_level(logging.INFO)
    waiting = triggerer.wait(await held())
    await proxy.until(watching(proxy))
    good = triggerer.client.credentials
    failures: list[Exception] = []

    async def headers() -> dict[str, str]:
        failures.append(error)
        raise error

    triggerer.client.credentials = replace(good, headers=headers)
    proxy.cut()
    await proxy.until(lambda: len(failures) >= 3)
    triggerer.client.credentials = good
    await held.let_go()

    assert (await waiting).diagnosis is None
    assert f"The cluster's credentials cannot be read: {words}" in caplog.text


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            web.Response(status=502, body=b"<h1>\xfcberlastet</h1>", content_type="text/html"), id="not UTF-8"
        ),
        pytest.param(web.Response(body=b'{"kind": "PodList", "items": [', content_type="application/json"), id="cut"),
    ],
)
async def test_an_answer_that_nobody_can_read_is_asked_for_again(
    triggerer: Triggerer, proxy: Proxy, held: Held, page: web.Response
) -> None:
    answers: list[bytes] = []

    def answer(request: web.Request) -> web.Response | None:
        if len(answers) == 2:
            return None
        body = page.body
        assert isinstance(body, bytes)
        answers.append(body)
        return web.Response(status=page.status, body=body, content_type=page.content_type)

    proxy.fault = answer
    waiting = triggerer.wait(await held())
    await proxy.until(watching(proxy))
    await held.let_go()

    assert (await waiting).diagnosis is None


async def test_fresh_credentials_that_are_refused_end_the_wait(triggerer: Triggerer, proxy: Proxy, held: Held) -> None:
    waiting = triggerer.wait(await held())
    await proxy.until(watching(proxy))
    proxy.fault = only("Bearer that nobody has")
    proxy.cut()

    with pytest.raises(UnauthorizedError):
        await waiting


async def test_where_watching_is_not_permitted_the_list_is_asked_again_and_again(
    triggerer: Triggerer, proxy: Proxy, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(watch, "SHORTEST_WATCH_SECONDS", 0.0)
    proxy.fault = lambda request: status(403, "Forbidden") if "watch" in request.query else None
    trainjob = await held()
    waits = [triggerer.wait(trainjob) for _ in range(20)]
    await proxy.until(lambda: proxy.count("list") >= 6)
    # One after another, of TrainJobs and of pods, for all of them.
    asked = proxy.count("list")
    await held.let_go()

    assert {outcome.diagnosis for outcome in await asyncio.gather(*waits)} == {None}
    assert asked < len(waits)


async def test_a_list_that_is_not_permitted_ends_all_waits_in_the_clusters_words(
    triggerer: Triggerer, proxy: Proxy, held: Held
) -> None:
    words = 'trainjobs.trainer.kubeflow.org is forbidden: User "me" cannot list resource "trainjobs"'
    proxy.fault = lambda request: status(403, "Forbidden", words) if request.path.endswith("/trainjobs") else None

    for waiting in [triggerer.wait(await held()) for _ in range(2)]:
        with pytest.raises(ForbiddenError, match='cannot list resource "trainjobs"'):
            await waiting


async def test_a_refusal_without_words_is_told_in_those_of_its_status(
    triggerer: Triggerer, proxy: Proxy, held: Held
) -> None:
    """As an Istio proxy answers."""
    proxy.fault = lambda request: web.Response(status=403)

    with pytest.raises(ForbiddenError, match=r"^403: Forbidden$"):
        await triggerer.wait(await held())


async def test_each_wait_writes_its_own_log_and_what_the_watch_says_is_in_none(
    proxy: Proxy, make: Any, api: TrainJobApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a triggerer a task's log is wherever its context is."""
    extra = {"kube_config": proxy.kubeconfig(), "namespace": "default"}
    monkeypatch.setenv("AIRFLOW_CONN_PROXY", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    owner: ContextVar[str] = ContextVar("owner", default="nobody")
    heard: list[tuple[str, str]] = []

    class Log:
        def __getattr__(self, level: str) -> Callable[..., None]:
            return lambda text, **fields: heard.append((owner.get(), text))

    def hear_the_watch(record: logging.LogRecord) -> bool:
        # The proxy has its say here too.
        if record.name.startswith("airflow_kubeflow_trainer"):
            heard.append((owner.get(), record.getMessage()))
        return True

    async def run(name: str, trainjob: dict[str, Any]) -> TrainJobEvent:
        owner.set(name)
        spec = WaitSpec(name=trainjob["metadata"]["name"], uid=trainjob["metadata"]["uid"])
        return await wait_for_event(KubeflowTrainerHook("proxy"), spec, TaskKey(**TASK), None, Log())

    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(hear_the_watch)
    later = await make("echo says second", suspend=True)
    first = asyncio.create_task(run("first", await make("echo says first")))
    await asyncio.sleep(0)
    second = asyncio.create_task(run("second", later))

    assert (await first)["cause"] is None
    proxy.fault = lambda request: status(503, "ServiceUnavailable")
    proxy.cut()
    await proxy.until(lambda: any("Asking for" in text for _, text in heard))
    proxy.fault = lambda request: None
    await api.set_suspend(later["metadata"]["name"], False)
    assert (await second)["cause"] is None
    caplog.handler.removeFilter(hear_the_watch)

    assert {who for who, text in heard if "Asking for" in text} == {"nobody"}
    for name in ("first", "second"):
        assert [who for who, text in heard if text == f"says {name}"] == [name]
    assert {who for who, text in heard if later["metadata"]["name"] in text} == {"second"}


async def test_an_outage_is_told_when_it_lasts_and_ends_the_wait_when_it_does_not_end(
    triggerer: Triggerer, proxy: Proxy, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TELL_SECONDS", 0.1)
    reporter = Recorder()
    waiting = triggerer.wait(await held(), reporter)
    await proxy.until(watching(proxy))

    proxy.fault = lambda request: status(500, "InternalError", "etcd is gone")
    proxy.cut()
    await proxy.until(lambda: bool(reporter.notes))
    proxy.fault = lambda request: None
    await proxy.until(lambda: "The cluster answers again" in reporter.notes)
    assert "etcd is gone" in reporter.notes[0]

    monkeypatch.setattr(watch, "GIVE_UP_SECONDS", 0.2)
    proxy.fault = lambda request: status(500, "InternalError", "etcd is gone")
    proxy.cut()
    with pytest.raises(ApiError, match="etcd is gone"):
        await waiting


async def let_in_only(proxy: Proxy, token: str) -> None:
    """Let all other tokens expire, and wait until the watches are there again."""
    before = proxy.count("watch")
    proxy.fault = only(f"Bearer {token}")
    proxy.cut()
    await proxy.until(lambda: len(proxy.watches) == 2 and proxy.count("watch") >= before + 2)


def too_old() -> web.Response:
    return status(410, "Expired", "too old resource version")


def in_a_watch(answer: web.Response) -> web.Response:
    """A failure as a watch that has begun tells it."""
    return web.json_response({"type": "ERROR", "object": json.loads(answer.text or "")})


def refusals(times: int, wanted: Callable[[web.Request], bool]) -> Callable[[web.Request], web.Response | None]:
    """Answer so many requests of a kind with 500."""
    refused: list[str] = []

    def refuse(request: web.Request) -> web.Response | None:
        if not wanted(request) or len(refused) == times:
            return None
        refused.append(request.path)
        return status(500, "InternalError")

    return refuse


def only(authorization: str) -> Callable[[web.Request], web.Response | None]:
    return lambda request: (
        None if request.headers["Authorization"] == authorization else status(401, "Unauthorized", "Unauthorized")
    )
