"""The kubelet's HTTPS server: /containerLogs/NAMESPACE/POD/CONTAINER, for the API server, and whom it permits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.certificate import serving_context
from airflow_kubeflow_trainer.local.kubelet.container_spec import run_files
from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK
from airflow_kubeflow_trainer.local.kubelet.log_reader import LogOptions, read_log
from airflow_kubeflow_trainer.local.kubelet.log_segments import segment_numbers
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.pods import PodManager
from airflow_kubeflow_trainer.local.kubelet.readers import Owner, Readers
from airflow_kubeflow_trainer.local.kubelet.records import ContainerRecord


class LogServer:
    """Serves the logs of a kubelet's pods.

    :param readers: who of those may read them whose certificate the authority of `client_ca_file` has signed.
    """

    def __init__(self, pods: PodManager, readers: Readers, *, client_ca_file: Path, port: int) -> None:
        self._pods = pods
        self._readers = readers
        self._client_ca_file = client_ca_file
        self._port = port

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve while the context lasts; gives the port."""
        application = web.Application()
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            context = serving_context(client_ca_file=self._client_ca_file)
            site = web.TCPSite(runner, LOOPBACK, self._port, ssl_context=context)
            await site.start()
            yield int(runner.addresses[0][1])
        finally:
            await runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        await self._let_in(request)
        options = _options(request.query)
        path, record, run = self._find(request)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)

        def ended() -> bool:
            # A pod that was taken away at once, or whose node was lost, never says that it ended.
            gone = self._record(request) is not record
            return gone or record.restarts != run or "running" not in record.state

        try:
            async for text in read_log(path, options, ended=ended):
                await response.write(text)
            await response.write_eof()
        except (ConnectionError, FileNotFoundError):
            # The reader has gone, or the log with its pod.
            pass
        return response

    async def _let_in(self, request: web.Request) -> None:
        assert request.transport is not None
        owner = Owner.of(request.transport.get_extra_info("peercert") or {})
        try:
            allowed = await self._readers.may_read(owner)
        except KubeflowTrainerError as error:
            raise web.HTTPInternalServerError(text=f"Authorization error: {error}\n") from error
        if not allowed:
            raise web.HTTPForbidden(
                text=f"Forbidden (user={owner.user}, verb=get, resource=nodes, subresource=proxy)\n"
            )

    def _record(self, request: web.Request) -> ContainerRecord | None:
        names = request.match_info
        found = self._pods.find(namespace=names["namespace"], name=names["pod"])
        return None if found is None else found.record.containers.get(names["container"])

    def _find(self, request: web.Request) -> tuple[Path, ContainerRecord, int]:
        """Return the log file that is asked for, and the container's record and run that it belongs to."""
        names = request.match_info
        found = self._pods.find(namespace=names["namespace"], name=names["pod"])
        if found is None:
            raise web.HTTPNotFound(text=f'pod "{names["pod"]}" does not exist\n')
        pod, record = found.pod, found.record.containers.get(names["container"])
        if record is None:
            raise web.HTTPNotFound(text=f'container "{names["container"]}" is not valid for pod "{names["pod"]}"\n')
        run = _run(pod, record, names["container"], previous=_flag(request.query, "previous"))
        path = run_files(found.folder, names["container"], run).log
        if not segment_numbers(path):
            raise web.HTTPNotFound(text=f'the log of container "{names["container"]}" is gone\n')
        return path, record, run


def _run(pod: Pod, record: ContainerRecord, container: str, *, previous: bool) -> int:
    waits = "waiting" in record.state
    if not (previous or waits):
        return record.restarts
    if "terminated" in record.last_state:
        # Both are asked for the same while it waits: a restart that is still to come has not been counted.
        return record.restarts if waits else record.restarts - 1
    if previous:
        message = f'previous terminated container "{container}" in pod "{objects.name(pod)}" not found'
        raise web.HTTPBadRequest(text=message)
    reason = record.state["waiting"].get("reason", "")
    message = f'container "{container}" in pod "{objects.name(pod)}" is waiting to start: {reason}'
    raise web.HTTPBadRequest(text=message)


def _options(query: Mapping[str, str]) -> LogOptions:
    try:
        since = objects.parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = time.time() - int(query["sinceSeconds"])
        return LogOptions(
            follow=_flag(query, "follow"),
            tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
            since=since,
            limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
            timestamps=_flag(query, "timestamps"),
        )
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"Unable to decode the query: {error}\n") from error


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1", "t")
