"""KubeflowTrainerHook: TrainJobs over an Airflow connection."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk.bases.hook import BaseHook

from airflow_kubeflow_trainer.cluster import checking, diagnosing, observing, waiting
from airflow_kubeflow_trainer.cluster.checking import Finding
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.cluster.ending import suspend
from airflow_kubeflow_trainer.cluster.events import events_about
from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.patience import patiently
from airflow_kubeflow_trainer.cluster.sharing import Shared
from airflow_kubeflow_trainer.cluster.submission import submit
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import Outcome, WaitSpec
from airflow_kubeflow_trainer.cluster.watch import lines
from airflow_kubeflow_trainer.exceptions import (
    ClusterUnreachableError,
    ConfigError,
    KubeflowTrainerError,
    NotFoundError,
)
from airflow_kubeflow_trainer.hooks import DEFAULT_CONN_ID
from airflow_kubeflow_trainer.hooks.asking import ask, is_undefined
from airflow_kubeflow_trainer.hooks.connection import ClusterSettings
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Verdict
from airflow_kubeflow_trainer.trainjob.diagnosis import Diagnosis
from airflow_kubeflow_trainer.trainjob.levels import level_of
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.seen import Seen

T = TypeVar("T")


@dataclass(frozen=True)
class SharedCluster:
    """What all who wait for TrainJobs of one namespace share."""

    api: TrainJobApi
    feeds: Feeds


_shared: Shared[SharedCluster] = Shared()
_asked: Shared[dict[str, Any]] = Shared()
"""What Airflow's connections say, by their ids, while somebody asks."""


class KubeflowTrainerHook(BaseHook):
    """TrainJobs of one namespace, over an Airflow connection of type ``kubernetes``.

    The methods block and may be called wherever a task runs; in a coroutine (a trigger) use :meth:`connect`.

    :param kubernetes_conn_id: id of the connection. ``kubernetes_default`` need not exist: then, and with None, the
        pod's service account is used, else the default kubeconfig.
    :param namespace: where the TrainJobs live. Default: the connection's namespace, the namespace of the pod that
        Airflow runs in (with ``in_cluster``), else ``default``.
    :param in_cluster: use the service account of the pod that Airflow runs in. Default: what the connection says.
    :param config_file: path of a kubeconfig on this machine. Default: what the connection says.
    :param cluster_context: context of the kubeconfig. Default: what the connection says, else the file's current one.
    """

    conn_name_attr = "kubernetes_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    hook_name = "Kubeflow Trainer"

    def __init__(
        self,
        kubernetes_conn_id: str | None = DEFAULT_CONN_ID,
        *,
        namespace: str | None = None,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
    ) -> None:
        super().__init__()
        self.kubernetes_conn_id = kubernetes_conn_id
        self.given_namespace = namespace
        self._arguments = {
            "in_cluster": in_cluster,
            "config_file": config_file,
            "cluster_context": cluster_context,
        }
        self._settings: ClusterSettings | None = None

    @property
    def namespace(self) -> str:
        """The namespace that this hook works in."""
        return self.given_namespace or self.settings.default_namespace()

    @property
    def settings(self) -> ClusterSettings:
        """How the cluster is reached; reads the connection at first use."""
        if self._settings is None:
            self._settings = self._settings_of(self._extras())
        return self._settings

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[TrainJobApi]:
        """Open the cluster for a coroutine; all calls inside share one pool of connections."""
        if self._settings is None:
            self._settings = await self._settings_in_coroutine()
        async with Client(await self.settings.credentials(), renew=self.settings.credentials) as client:
            yield TrainJobApi(client, namespace=self.namespace)

    @asynccontextmanager
    async def share(self) -> AsyncIterator[SharedCluster]:
        """Open the cluster for a coroutine, or join those of this event loop that have it open.

        Of one cluster, credential and namespace there is one pool of connections and one watch, whoever asks.
        """
        # All triggers of a triggerer that starts ask at once: Airflow is asked once.
        async with _asked.use(self.kubernetes_conn_id, self._answer) as extras:
            self._settings = self._settings_of(extras)
        async with _shared.use((self.settings.key(), self.namespace), self._open_shared) as cluster:
            yield cluster

    @asynccontextmanager
    async def _open_shared(self) -> AsyncIterator[SharedCluster]:
        async def renew() -> Credentials:
            # From the connection again: somebody may have put a new token there. One that is gone leads nowhere else.
            with contextlib.suppress(AirflowNotFoundException):
                self._settings = self._settings_of(await patiently(self._defined_extras))
            return await self.settings.credentials()

        async with Client(await self.settings.credentials(), renew=renew) as client:
            api = TrainJobApi(client, namespace=self.namespace)
            yield SharedCluster(api, Feeds.of_namespace(api))

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[dict[str, Any]]:
        yield await self._extras_in_coroutine()

    async def _settings_in_coroutine(self) -> ClusterSettings:
        return self._settings_of(await self._extras_in_coroutine())

    def _settings_of(self, extras: Mapping[str, Any]) -> ClusterSettings:
        return ClusterSettings.from_extras(extras, **self._arguments)  # type: ignore[arg-type]

    def check(self) -> list[Finding]:
        """Look whether the cluster can run TrainJobs: reached, let in, Trainer and its version, permissions, runtimes.

        :raises ConfigError: the connection cannot be used.
        :raises ClusterUnreachableError: no cluster answers.
        """
        return self.call(checking.check)

    def test_connection(self) -> tuple[bool, str]:
        """Say whether the cluster can run TrainJobs, and what was found.

        Airflow's own button does not come here: it tests the hook that the connection type belongs to, cncf's.
        """
        try:
            findings = self.check()
        except KubeflowTrainerError as error:
            return False, str(error)
        good = all(finding.good or not finding.needed for finding in findings)
        return good, ". ".join(finding.text for finding in findings if good or not finding.good)

    def list_runtimes(self) -> list[dict[str, Any]]:
        """List the training runtimes: the cluster's, then the namespace's own."""
        return self.call(lambda api: api.list_runtimes())

    def get_runtime(self, name: str, *, kind: str = "ClusterTrainingRuntime") -> dict[str, Any]:
        """Read one training runtime."""
        return self.call(lambda api: api.get_runtime(name, kind=kind))

    def submit(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create a TrainJob and return it as the cluster has it; ``dry_run`` only asks whether it would be admitted.

        :raises ConfigError: it is suspended, or for a queue, and on its runtime that does not work; the message has the
            remedy.
        """
        return self.call(lambda api: submit(api, manifest, dry_run=dry_run))

    def get(self, name: str) -> dict[str, Any]:
        """Read one TrainJob."""
        return self.call(lambda api: api.get(name))

    def wait(self, name: str, *, trainer_job: str = "node", timeout: float | None = None) -> dict[str, Any]:
        """Wait until a TrainJob has succeeded, and return it. Its log goes to this hook's logger.

        :param trainer_job: the runtime's replicated job that trains.
        :param timeout: seconds to wait. Default: as long as it takes.
        :raises TrainJobError: it failed, was deleted, or the time ran out; the class tells the cause.
        """
        deadline = None if timeout is None else time.time() + timeout
        spec = WaitSpec(name=name, trainer_job=trainer_job, deadline=deadline)
        outcome: Outcome = self.call(lambda api: waiting.wait(api, spec, LoggingReporter(self.log)))
        if outcome.diagnosis is not None:
            raise outcome.diagnosis.cause.exception(str(outcome.diagnosis))
        return self.get(name)

    def look(self, awaited: Awaited, seen: Seen) -> Verdict | None:
        """Look once whether TrainJobs have got where they are awaited; None where it is still to be waited.

        :param seen: what earlier looks saw; this one is added.
        """
        return self.call(lambda api: observing.look(api, awaited, seen))

    def logs(self, name: str, *, trainer_job: str = "node", index: int = 0) -> Iterator[str]:
        """Give the lines that one node of a TrainJob has written so far; none where it has no pod (any more).

        :raises NotFoundError: there is no such TrainJob.
        """
        yield from self.call(lambda api: _read_log(api, name, trainer_job, index))

    def events(self, name: str) -> list[dict[str, Any]]:
        """List what Kubernetes recorded about a TrainJob, its JobSet, Jobs and pods, oldest first."""
        return self.call(lambda api: _read_events(api, name))

    def diagnose(self, name: str, *, trainer_job: str = "node") -> Diagnosis | None:
        """Say why a TrainJob failed or does not start, as far as its pods still tell; None where it did or trains."""
        return self.call(lambda api: diagnosing.examine(api, name, trainer_job=trainer_job)).diagnosis

    def suspend(self, name: str) -> dict[str, Any]:
        """Suspend a TrainJob: its pods are stopped, the object stays.

        :raises ConfigError: on its runtime that does not work; the message has the remedy.
        """
        return self.call(lambda api: suspend(api, name, True))

    def resume(self, name: str) -> dict[str, Any]:
        """Resume a suspended TrainJob; training starts again from its beginning, or from its own checkpoint.

        :raises ConfigError: on its runtime that does not work; the message has the remedy.
        """
        return self.call(lambda api: suspend(api, name, False))

    def delete(self, name: str, *, uid: str | None = None) -> bool:
        """Delete a TrainJob with all that belongs to it.

        :param uid: only this very object, never another that has its name now (that raises a ConflictError).
        :return: whether there was one to delete.
        """
        return self.call(lambda api: _delete(api, name, uid))

    def call(self, work: Callable[[TrainJobApi], Awaitable[T]]) -> T:
        """Open the cluster for a piece of work, and block until that is done."""
        # The connection is read here, outside of any event loop: Airflow's synchronous lookup must not run in one.
        _ = self.settings

        async def call() -> T:
            async with self.connect() as api:
                return await work(api)

        return run_blocking(call)

    def _extras(self) -> dict[str, Any]:
        if not self.kubernetes_conn_id:
            return {}
        try:
            extras: dict[str, Any] = self.get_connection(self.kubernetes_conn_id).extra_dejson
        except AirflowNotFoundException:
            if not is_undefined(self.kubernetes_conn_id):
                raise self._no_answer() from None
            return self._extras_of_undefined()
        return extras

    async def _extras_in_coroutine(self) -> dict[str, Any]:
        try:
            return await patiently(self._defined_extras)
        except AirflowNotFoundException:
            return self._extras_of_undefined()

    async def _defined_extras(self) -> dict[str, Any]:
        from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
        from asgiref.sync import sync_to_async

        if not self.kubernetes_conn_id:
            return {}
        try:
            connection = await ask(get_async_connection(self.kubernetes_conn_id))
        except AirflowNotFoundException:
            if not await ask(sync_to_async(is_undefined)(self.kubernetes_conn_id)):
                raise self._no_answer() from None
            raise
        extras: dict[str, Any] = await get_async_extra_dejson(connection)
        return extras

    def _no_answer(self) -> ClusterUnreachableError:
        # To go on without would be to go to another cluster.
        return ClusterUnreachableError(f"Airflow does not say what its connection {self.kubernetes_conn_id!r} holds")

    def _extras_of_undefined(self) -> dict[str, Any]:
        # As in the cncf provider: kubernetes_default need not be defined.
        if self.kubernetes_conn_id == DEFAULT_CONN_ID:
            return {}
        raise ConfigError(f"kubernetes_conn_id: there is no Airflow connection {self.kubernetes_conn_id!r}; make one")

    def list(self, *, label_selector: str | None = None) -> list[dict[str, Any]]:
        """List the namespace's TrainJobs, by label selector where one is given."""
        return self.call(lambda api: api.find(label_selector=label_selector))


class LoggingReporter:
    """Tells a logger what happens while a TrainJob is waited for."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def phase(self, report: PhaseReport) -> None:
        self._log.info("TrainJob is %s", report)

    def line(self, line: LogLine) -> None:
        self._log.log(level_of(line.text), f"[{line.step}] {line.text}" if line.step else line.text)

    async def drain(self) -> None:
        pass

    def note(self, text: str, at: datetime | None = None) -> None:
        self._log.info(text)

    def warning(self, text: str) -> None:
        self._log.warning(text)


def run_blocking(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine to its end, in an event loop of its own, wherever we are.

    In a thread of its own where this one already has a loop: a signal handler interrupts a running one.
    """

    async def main() -> T:
        return await work()

    # Outside of any `except`: what the work raises is nobody's consequence.
    if not _has_running_loop():
        return asyncio.run(main())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, main()).result()


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _read_log(api: TrainJobApi, name: str, trainer_job: str, index: int) -> list[str]:
    pods = [Pod.from_object(pod) for pod in await api.pods(name)]
    wanted = [pod for pod in pods if pod.job == trainer_job and pod.index == index and pod.main is not None]
    if not wanted:
        await api.get(name)
        return []
    newest = max(wanted, key=lambda pod: pod.created_at)
    container = newest.main.name if newest.main else None
    async with api.stream_log(newest.name, container=container) as chunks:
        return [line.decode(errors="replace") async for line in lines(chunks)]


async def _read_events(api: TrainJobApi, name: str) -> list[dict[str, Any]]:
    pods = [pod["metadata"]["uid"] for pod in await api.pods(name)]
    return await events_about(api, await api.get(name), pods)


async def _delete(api: TrainJobApi, name: str, uid: str | None) -> bool:
    with contextlib.suppress(NotFoundError):
        await api.delete(name, uid=uid)
        return True
    return False
