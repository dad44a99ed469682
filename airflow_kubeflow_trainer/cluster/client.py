"""One HTTP session with an API server: requests in, JSON or an ApiError out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp

from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, api_error

REQUEST_TIMEOUT_SECONDS = 30.0
"""Bound on one request and its answer; a stream has none."""
CONNECT_TIMEOUT_SECONDS = 10.0

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

Params = Mapping[str, str | int | bool]


class Client:
    """Sends requests to one API server over one pool of connections. Use as an asynchronous context manager.

    Every method raises an :class:`ApiError` of the answer's class, or :class:`ClusterUnreachableError`
    where there was no answer.
    """

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
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
        response = await self._send(method, path, params=params, data=data, content_type=content_type, timeout=timeout)
        async with response:
            with _unreachable(self._where(method, path)):
                answer: dict[str, Any] = await response.json()
            return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None,
        timeout: aiohttp.ClientTimeout,
        data: bytes | None = None,
        content_type: str | None = None,
    ) -> aiohttp.ClientResponse:
        headers = {**await self.credentials.headers(), "Accept": "application/json"}
        if data is not None and content_type is not None:
            headers["Content-Type"] = content_type
        with _unreachable(self._where(method, path)):
            response = await self._pool().request(
                method,
                self.credentials.server + path,
                params=_query(params or {}),
                data=data,
                headers=headers,
                timeout=timeout,
                proxy=self.credentials.proxy,
                server_hostname=self.credentials.server_hostname,
            )
            if response.status >= 400:
                async with response:
                    raise _error(response.status, await response.text())
        return response

    def _where(self, method: str, path: str) -> str:
        return f"{self.credentials.server} ({method} {path})"

    def _pool(self) -> aiohttp.ClientSession:
        # Made at the first request, inside the event loop that will use it.
        if self._session is None:
            tls = self.credentials.ssl_context
            connector = aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else False)
            # One watch event may hold an object of etcd's whole request size (1.5 MiB).
            self._session = aiohttp.ClientSession(connector=connector, trust_env=True, read_bufsize=2**21)
        return self._session


@contextmanager
def _unreachable(where: str) -> Iterator[None]:
    """Turn the network's errors into ours."""
    try:
        yield
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ClusterUnreachableError(
            f"No answer from the cluster at {where}: {str(error) or type(error).__name__}"
        ) from error


def _query(params: Params) -> dict[str, str]:
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()}


async def _chunks(response: aiohttp.ClientResponse, where: str) -> AsyncIterator[bytes]:
    with _unreachable(where):
        async for chunk in response.content.iter_any():
            yield chunk


def _error(status: int, text: str) -> ApiError:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        return api_error(status, body.get("reason") or "", body.get("message") or "", body.get("details"))
    # A proxy's or load balancer's page, not Kubernetes' words.
    return api_error(status, "", text[:256].strip())
