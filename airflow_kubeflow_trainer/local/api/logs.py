"""pods/log: handed through from the kubelet on whose node the pod is."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from airflow_kubeflow_trainer.local.api.resources import NODES
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.pki import KeyPair
from airflow_kubeflow_trainer.local.status import StatusError, bad_request

_OPTIONS = ("follow", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps", "limitBytes")
_CONNECT_SECONDS = 5.0


class LogProxy:
    """Reads logs from kubelets, with the API server's own client certificate."""

    def __init__(self, store: Store, tls: ssl.SSLContext) -> None:
        self._store = store
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def open(self, pod: Mapping[str, Any], query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give a log's chunks as they come; none where the pod has no node yet.

        :raises StatusError: 400, no such container, or not started; 404, the log is gone; 500, no kubelet answers.
        """
        container = _container(pod, query.get("container", ""))
        node = pod["spec"].get("nodeName")
        if not node:
            yield _nothing()
            return
        metadata = pod["metadata"]
        url = f"{self._kubelet(node)}/containerLogs/{metadata['namespace']}/{metadata['name']}/{container}"
        params = {key: query[key] for key in _OPTIONS if query.get(key)}
        try:
            response = await self._pool().get(url, params=params)
        except (aiohttp.ClientError, OSError) as error:
            raise StatusError(500, "InternalError", f'Get "{url}": {error}') from error
        async with response:
            if response.status != 200:
                raise _refusal(response.status, (await response.text()).strip())
            yield _chunks(response, url)

    def _kubelet(self, node_name: str) -> str:
        node = self._store.get(NODES, ("", node_name))
        status = (node.object.get("status") or {}) if node is not None else {}
        port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
        addresses = {each.get("type"): each.get("address") for each in status.get("addresses") or []}
        if port is None or "InternalIP" not in addresses:
            raise StatusError(500, "InternalError", f"no preferred addresses found; known addresses of {node_name}: []")
        return f"https://{addresses['InternalIP']}:{port}"

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
            connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session


def kubelet_tls(client: KeyPair) -> ssl.SSLContext:
    """Return TLS towards kubelets: their certificates are self-signed, ours is what they check."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(client.certificate, client.key)
    return context


def _container(pod: Mapping[str, Any], wanted: str) -> str:
    """Return which container is meant: the named one, or the only one."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    main = [container["name"] for container in spec.get("containers") or []]
    known = [*(container["name"] for container in spec.get("initContainers") or []), *main]
    if wanted and wanted not in known:
        raise bad_request(f"container {wanted} is not valid for pod {name}")
    if not wanted and len(main) != 1:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]")
    return wanted or str(main[0])


def _refusal(status: int, text: str) -> StatusError:
    reasons = {400: "BadRequest", 404: "NotFound"}
    return StatusError(status if status in reasons else 500, reasons.get(status, "InternalError"), text)


async def _chunks(response: aiohttp.ClientResponse, url: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except aiohttp.ClientError as error:
        # The answer has begun: all that can be done is to break it off, so that nobody takes it for the whole log.
        raise ConnectionResetError(f"{url}: {error}") from error


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield
