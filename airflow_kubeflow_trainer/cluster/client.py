"""One HTTP session with an API server: requests in, JSON or an ApiError out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http.client import responses
from types import TracebackType
from typing import Any, Self

import aiohttp

from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ClusterUnreachableError,
    UnauthorizedError,
    api_error,
    words_of,
)

REQUEST_TIMEOUT_SECONDS = 30.0
"""Bound on one request and its answer; a stream has none."""
CONNECT_TIMEOUT_SECONDS = 10.0
CALLS_AT_A_TIME = 16
"""Requests of one client that are under way together, streams apart: when a thousand TrainJobs end at once, a thousand
TLS handshakes would hold the event loop up."""

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

log = logging.getLogger(__name__)

Params = Mapping[str, str | int | bool]


class Client:
    """Sends requests to one API server over one pool of connections. Use as an asynchronous context manager.

    Every method raises an :class:`ApiError` of the answer's class, or :class:`ClusterUnreachableError`
    where there was no answer.

    :param credentials: whom we are.
    :param renew: reads the credentials anew; called whenever the cluster takes the present ones no longer (401), after
        which the request is sent once more. Default: a 401 is an error at once.
    """

    def __init__(self, credentials: Credentials, *, renew: Callable[[], Awaitable[Credentials]] | None = None) -> None:
        self.credentials = credentials
        self._renew = renew
        self._renewing = asyncio.Lock()
        self._turns = asyncio.Semaphore(CALLS_AT_A_TIME)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, *, params: Params | None = None) -> dict[str, Any]:
        return await self._call("GET", path, params=params)

    async def create(self, path: str, body: Mapping[str, Any], *, params: Params | None = None) -> dict[str, Any]:
        return await self._call("POST", path, params=params, body=body)

    async def replace(self, path: str, body: Mapping[str, Any], *, params: Params | None = None) -> dict[str, Any]:
        return await self._call("PUT", path, params=params, body=body)

    async def patch(
        self, path: str, body: Any, *, content_type: str = MERGE_PATCH, params: Params | None = None
    ) -> dict[str, Any]:
        return await self._call("PATCH", path, params=params, body=body, content_type=content_type)

    async def delete(
        self, path: str, *, params: Params | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return await self._call("DELETE", path, params=params, body=body)

    @asynccontextmanager
    async def stream(
        self, path: str, *, params: Params | None = None, answer_within: float | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer of unknown length (a watch, a log) and give its chunks as they arrive.

        :param answer_within: seconds until the answer has to begin. Default: any, since a log that is followed may
            begin only when something is written.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_SECONDS)
        where = self._where("GET", path)
        with _unreachable(where):
            async with asyncio.timeout(answer_within):
                response = await self._send("GET", path, params=params, timeout=timeout)
        async with response:
            yield _chunks(response, where)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        data = None if body is None else json.dumps(body).encode()
        async with self._turns:
            response = await self._send(
                method, path, params=params, data=data, content_type=content_type, timeout=timeout
            )
            async with response:
                with _unreachable(self._where(method, path)):
                    answer: dict[str, Any] = await response.json()
                return answer

    async def _send(self, method: str, path: str, **request: Any) -> aiohttp.ClientResponse:
        used = self.credentials
        try:
            return await self._send_as(used, method, path, **request)
        except UnauthorizedError:
            if self._renew is None:
                raise
            await self._renew_after(used, self._renew)
        return await self._send_as(self.credentials, method, path, **request)

    async def _renew_after(self, refused: Credentials, renew: Callable[[], Awaitable[Credentials]]) -> None:
        """Read the credentials anew, once for all requests that found the same ones refused."""
        async with self._renewing:
            if self.credentials is not refused:
                return
            log.info("%s no longer takes our credentials, which are read anew", refused.server)
            with _no_credentials("renewed"):
                self.credentials = await renew()

    async def _send_as(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        *,
        params: Params | None,
        timeout: aiohttp.ClientTimeout,
        data: bytes | None = None,
        content_type: str | None = None,
    ) -> aiohttp.ClientResponse:
        with _no_credentials("read"):
            headers = {**await credentials.headers(), "Accept": "application/json"}
        if data is not None and content_type is not None:
            headers["Content-Type"] = content_type
        with _unreachable(self._where(method, path)):
            response = await self._pool().request(
                method,
                credentials.server + path,
                params=_query(params or {}),
                data=data,
                headers=headers,
                timeout=timeout,
                proxy=credentials.proxy,
                server_hostname=credentials.server_hostname,
                ssl=credentials.ssl_context if credentials.ssl_context is not None else False,
            )
            if response.status >= 400:
                async with response:
                    # A proxy's page may be in whatever encoding.
                    text = await response.text(errors="replace")
                    raise _error(response.status, text, response.headers.get("Retry-After"))
        return response

    def _where(self, method: str, path: str) -> str:
        return f"{self.credentials.server} ({method} {path})"

    def _pool(self) -> aiohttp.ClientSession:
        # Made at the first request, inside the event loop that will use it.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            # One watch event may hold an object of etcd's whole request size (1.5 MiB).
            self._session = aiohttp.ClientSession(connector=connector, trust_env=True, read_bufsize=2**21)
        return self._session


@contextmanager
def _unreachable(where: str) -> Iterator[None]:
    """Turn the network's errors into ours."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
        # No JSON: an answer that something on the way has cut short.
        raise ClusterUnreachableError(f"No answer from the cluster at {where}: {_reason(error)}") from error


@contextmanager
def _no_credentials(what: str) -> Iterator[None]:
    """Turn what can go wrong with credentials into an error of ours, whoever keeps them: a file, Airflow, a program.

    Whatever hands them out may be down for a moment: as good as a cluster that does not answer.
    """
    try:
        yield
    except Exception as error:
        raise ClusterUnreachableError(f"The cluster's credentials cannot be {what}: {words_of(error)}") from error


def _reason(error: Exception) -> str:
    # aiohttp's own words repeat the address, and hold that of an object in memory.
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno)
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__


def _query(params: Params) -> dict[str, str]:
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()}


async def _chunks(response: aiohttp.ClientResponse, where: str) -> AsyncIterator[bytes]:
    with _unreachable(where):
        async for chunk in response.content.iter_any():
            yield chunk


def _error(status: int, text: str, retry_after: str | None) -> ApiError:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    # The header comes also without a Status: from the API server's own limits, and from proxies.
    wait = {"retryAfterSeconds": int(retry_after)} if retry_after and retry_after.isdecimal() else {}
    if isinstance(body, dict) and body.get("kind") == "Status":
        details = {**wait, **(body.get("details") or {})}
        return api_error(status, body.get("reason") or "", body.get("message") or "", details)
    # A proxy's or load balancer's page, not Kubernetes' words.
    return api_error(status, "", text[:256].strip() or responses.get(status, "no words"), wait)
