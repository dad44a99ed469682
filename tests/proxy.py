"""A way to the local cluster on which everything can go wrong, and that counts what passes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from airflow_kubeflow_trainer.cluster.credentials import Credentials

Fault = Callable[[web.Request], web.Response | None]
"""Answers in the API server's place, or lets the request pass."""


@dataclass
class Proxy:
    """Passes requests on to a cluster, unless :attr:`fault` answers them."""

    target: Credentials
    server: str = ""
    fault: Fault = lambda request: None
    requests: list[str] = field(default_factory=list)
    """Of each request the verb (list and watch apart), resource and selector."""
    watches: list[asyncio.Task[None]] = field(default_factory=list)
    """The watches that are open."""
    delay: Callable[[web.Request], float] = lambda request: 0.0
    """Seconds that a request is held up."""
    hold: Callable[[web.Request], float] = lambda request: 0.0
    """Seconds that an answer is held up: what was asked for has been done."""
    lose: Callable[[web.Request], bool] = lambda request: False
    """Whether an answer is lost: the connection breaks."""
    answers: list[tuple[str, int]] = field(default_factory=list)
    """Of each request that was passed on what `requests` has of it, and the status of its answer."""
    mute: bool = False
    """Whether watches say nothing any more."""
    logs: list[asyncio.Event] = field(default_factory=list)
    """Of each log that is being followed, set where its connection is dead, which nobody is told."""

    def credentials(self, token: str = "first") -> Credentials:
        async def headers() -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"}

        return Credentials(server=self.server, ssl_context=None, headers=headers)

    def kubeconfig(self) -> dict[str, Any]:
        """What a connection holds whose requests pass here."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": self.server}}],
            "users": [{"name": "me", "user": {"token": "first"}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "me"}}],
            "current-context": "proxy",
        }

    def count(self, verb: str) -> int:
        return len([request for request in self.requests if request.startswith(f"{verb} ")])

    def done(self, verb: str) -> int:
        """How many requests of a verb the cluster has granted."""
        return len([status for summary, status in self.answers if summary.startswith(f"{verb} ") and status < 300])

    def heal(self) -> None:
        """Let everything pass, and forget what has passed."""
        self.requests.clear()
        self.answers.clear()
        self.fault = lambda request: None
        self.delay = self.hold = lambda request: 0.0
        self.lose = lambda request: False

    def cut(self) -> None:
        """Break all watches off; from whatever thread."""
        for watch in self.watches.copy():
            watch.get_loop().call_soon_threadsafe(watch.cancel)

    def forget_logs(self) -> None:
        """Let all logs that are being followed say nothing any more, as a load balancer that has forgotten them."""
        for dead in self.logs:
            dead.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that a request makes true."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(_summary(request))
        answer = self.fault(request)
        if answer is not None:
            return answer
        await asyncio.sleep(self.delay(request))
        try:
            return await self._forward(request)
        except aiohttp.ClientConnectorError:
            # As a load balancer whose servers are down.
            return status(502, "BadGateway")

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            headers = {**await self.target.headers(), "Content-Type": request.headers.get("Content-Type", "")}
            async with session.request(
                request.method,
                self.target.server + request.path,
                params=request.query,
                data=await request.read(),
                headers=headers,
                ssl=self.target.ssl_context or False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as upstream:
                self.answers.append((_summary(request), upstream.status))
                await asyncio.sleep(self.hold(request))
                if self.lose(request) and request.transport is not None:
                    request.transport.abort()
                return await self._pass_on(request, upstream)

    async def _pass_on(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=upstream.status, headers={"Content-Type": upstream.content_type})
        await response.prepare(request)
        watching, following = "watch" in request.query, "follow" in request.query
        dead = asyncio.Event()
        task = asyncio.ensure_future(self._copy(response, upstream, lambda: (watching and self.mute) or dead.is_set()))
        if watching:
            self.watches.append(task)
        if following:
            self.logs.append(dead)
        try:
            await task
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            task.cancel()
            if watching:
                self.watches.remove(task)
            if following:
                self.logs.remove(dead)
        return response

    async def _copy(
        self, response: web.StreamResponse, upstream: aiohttp.ClientResponse, is_mute: Callable[[], bool]
    ) -> None:
        async for chunk in upstream.content.iter_any():
            if not is_mute():
                await response.write(chunk)
        if is_mute():
            # Nor does it say that it has ended.
            await asyncio.Event().wait()


def _summary(request: web.Request) -> str:
    verb = "watch" if "watch" in request.query else request.method.lower()
    *_, kind, last = request.path.split("/")
    collection = last in ("trainjobs", "pods")
    if verb == "get" and collection:
        verb = "list"
    return f"{verb} {last if collection else kind + '/' + last}"


@contextlib.asynccontextmanager
async def proxy_to(target: Credentials) -> AsyncIterator[Proxy]:
    """Serve a Proxy on a free port."""
    proxy = Proxy(target)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    proxy.server = f"http://{host}:{port}"
    try:
        yield proxy
    finally:
        proxy.cut()
        await runner.cleanup()


@contextlib.contextmanager
def proxy_in_thread(target: Credentials) -> Iterator[Proxy]:
    """Serve a Proxy for those who have no event loop of their own."""
    started: Future[Proxy] = Future()

    async def serve() -> None:
        async with proxy_to(target) as proxy:
            started.set_result(proxy)
            await asyncio.get_running_loop().run_in_executor(None, stopped.wait)

    stopped = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        yield started.result(30)
    finally:
        stopped.set()
        thread.join(30)


def status(code: int, reason: str, message: str = "as a test wants it", **headers: str) -> web.Response:
    """A failure as the API server answers it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**body, "message": message}, status=code, headers=headers)
