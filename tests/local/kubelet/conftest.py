"""A kubelet against a stand-in for an API server: just enough of one, and under the test's control."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.local.kubelet import Isolation, KubeletOptions, run_kubelet
from airflow_kubeflow_trainer.local.kubelet.isolation import works

PATIENCE_SECONDS = 30.0


async def _allowed() -> list[Isolation]:
    return [isolation for isolation in Isolation if await works(isolation)]


ISOLATIONS = asyncio.run(_allowed())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class StandIn:
    """Objects by their URL path; list, watch, create, patch, bind and delete as the kubelet needs them."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[dict[str, Any]] = []
        """Every version of every pod."""
        self.down = False
        self.readers = {"ca"}
        """Users who may read logs."""
        self._versions = itertools.count(1)
        self._watchers: dict[str, set[asyncio.Queue[dict[str, Any]]]] = {}
        self._changed = asyncio.Condition()

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object under a collection's path (``/api/v1/namespaces/default/pods``)."""
        body = copy.deepcopy(body)
        metadata = body.setdefault("metadata", {})
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", _now())
        body.setdefault("status", {"phase": "Pending"})
        parts = path.split("/")
        if "namespaces" in parts and parts[-1] != "namespaces":
            metadata["namespace"] = parts[parts.index("namespaces") + 1]
        key = f"{path}/{metadata['name']}"
        if key in self.objects:
            raise self.error(409, "AlreadyExists", f"{metadata['name']} already exists")
        await self._store(key, body, "ADDED")
        return body

    async def until(
        self, path: str, condition: Callable[[dict[str, Any]], Any], *, patience: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Wait until an object fulfils a condition; a missing object is an empty dict."""
        try:
            async with asyncio.timeout(patience), self._changed:
                await self._changed.wait_for(lambda: condition(self.objects.get(path, {})))
        except TimeoutError:
            raise AssertionError(f"{path} stays {json.dumps(self.objects.get(path, {}).get('status'))}") from None
        return self.objects.get(path, {})

    def error(self, code: int, reason: str, message: str) -> web.HTTPException:
        body = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message})
        kind = {404: web.HTTPNotFound, 409: web.HTTPConflict, 503: web.HTTPServiceUnavailable}[code]
        return kind(text=body, content_type="application/json")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            raise self.error(503, "ServiceUnavailable", "the stand-in is down")
        path = request.path
        if request.method == "GET" and request.query.get("watch"):
            return await self._watch(request)
        body = await request.json() if request.can_read_body else {}
        if request.method == "POST":
            if path.endswith("/subjectaccessreviews"):
                return web.json_response({"status": {"allowed": body["spec"]["user"] in self.readers}})
            if path.endswith("/binding"):
                pod = self._existing(path.removesuffix("/binding"))
                pod["spec"]["nodeName"] = body["target"]["name"]
                return web.json_response(await self._store(path.removesuffix("/binding"), pod, "MODIFIED"))
            if path.endswith("/eviction"):
                return web.json_response(await self._evict(path.removesuffix("/eviction")))
            return web.json_response(await self.create(path, body))
        if request.method == "PATCH":
            return web.json_response(await self._patch(path.removesuffix("/status"), body))
        if request.method == "DELETE":
            return web.json_response(await self.delete(path, grace=body.get("gracePeriodSeconds")))
        if path in self.objects:
            return web.json_response(self.objects[path])
        if path.rsplit("/", 1)[-1] in ("pods", "nodes", "persistentvolumeclaims"):
            items = [item for key, item in self.objects.items() if self._collection(key) == path]
            return web.json_response({"items": items, "metadata": {"resourceVersion": "1"}})
        raise self.error(404, "NotFound", f"{path} not found")

    async def _evict(self, path: str) -> dict[str, Any]:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
        await self._patch(path, {"status": {"conditions": [condition]}})
        return await self.delete(path)

    async def delete(self, path: str, *, grace: int | None = None) -> dict[str, Any]:
        found = self._existing(path)
        finished = found["status"].get("phase") in ("Succeeded", "Failed")
        if "pods" in path and found["spec"].get("nodeName") and not finished and grace != 0:
            if grace is None:
                grace = found["spec"].get("terminationGracePeriodSeconds", 30)
            found["metadata"].update(deletionTimestamp=_now(), deletionGracePeriodSeconds=grace)
            return await self._store(path, found, "MODIFIED")
        del self.objects[path]
        await self._tell(path, found, "DELETED")
        return found

    def _existing(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            raise self.error(404, "NotFound", f"{path} not found")
        return copy.deepcopy(self.objects[path])

    async def _patch(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        found = self._existing(path)
        if patch.get("metadata", {}).get("uid", found["metadata"]["uid"]) != found["metadata"]["uid"]:
            raise self.error(409, "Conflict", "another uid")
        conditions = {c["type"]: c for c in found["status"].get("conditions", [])}
        _merge(found, patch)
        for condition in patch.get("status", {}).get("conditions", []):
            present = conditions.setdefault(condition["type"], {})
            _merge(present, condition)
        found["status"]["conditions"] = list(conditions.values())
        return await self._store(path, found, "MODIFIED")

    async def _store(self, path: str, body: dict[str, Any], kind: str) -> dict[str, Any]:
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = body
        await self._tell(path, body, kind)
        return body

    async def _tell(self, path: str, body: dict[str, Any], kind: str) -> None:
        if "/pods/" in path:
            self.history.append(copy.deepcopy(body))
        for queue in self._watchers.get(self._collection(path), ()):
            queue.put_nowait({"type": kind, "object": copy.deepcopy(body)})
        async with self._changed:
            self._changed.notify_all()

    @staticmethod
    def _collection(path: str) -> str:
        parts = path.split("/")
        return "/".join([*parts[:3], parts[-2]])

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for key, item in self.objects.items():
            if self._collection(key) == request.path:
                queue.put_nowait({"type": "MODIFIED", "object": copy.deepcopy(item)})
        self._watchers.setdefault(request.path, set()).add(queue)
        try:
            await response.prepare(request)
            while not self.down:
                await response.write(json.dumps(await queue.get()).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            self._watchers[request.path].discard(queue)
        return response


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict) and key not in ("state", "lastState"):
            _merge(target[key], value)
        else:
            target[key] = value


class Cluster:
    """A stand-in with a kubelet that a test may stop and start again."""

    def __init__(self, api: StandIn, client: Client, directory: Path) -> None:
        self.api = api
        self.client = client
        self.directory = directory
        self._task: asyncio.Task[None] | None = None

    async def start(self, **settings: Any) -> None:
        options = KubeletOptions(**{"directory": self.directory, "restart_backoff_seconds": 0.0, **settings})
        ready = asyncio.Event()
        self._task = asyncio.create_task(run_kubelet(self.client, options, ready=ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def run_pod(
        self, name: str, command: list[str], *, container: dict[str, Any] | None = None, **spec: Any
    ) -> str:
        """Create a pod of one container and return its path; ``metadata`` among the keywords is the pod's."""
        metadata = {"name": name, **spec.pop("metadata", {})}
        main = {"name": "node", "image": "python:3.11", "command": command, **(container or {})}
        body = {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [main], **spec}}
        await self.api.create("/api/v1/namespaces/default/pods", body)
        return f"/api/v1/namespaces/default/pods/{name}"

    async def finished(self, path: str, *, patience: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for a pod's end and return it."""
        return await self.api.until(path, lambda pod: _phase(pod) in ("Succeeded", "Failed"), patience=patience)

    async def running(self, path: str) -> dict[str, Any]:
        return await self.api.until(path, lambda pod: _phase(pod) == "Running")

    async def waiting(self, path: str, reason: str) -> dict[str, Any]:
        """Wait until the first container waits for a reason; return its ``waiting``."""

        def state(pod: dict[str, Any]) -> dict[str, Any]:
            statuses = pod.get("status", {}).get("containerStatuses") or [{}]
            return statuses[0].get("state", {}).get("waiting") or {}

        return state(await self.api.until(path, lambda pod: state(pod).get("reason") == reason))

    def log(self, path: str, *, container: str = "node", run: int = 0) -> str:
        """Return a container's log without what CRI adds."""
        file = self.directory / "pods" / self.uid(path) / "containers" / container / f"{run}.log"
        lines = [line.split(" ", 3) for line in file.read_text().splitlines()]
        return "".join(text + ("\n" if tag == "F" else "") for _, _, tag, text in lines)

    def uid(self, path: str) -> str:
        return str(self.api.objects[path]["metadata"]["uid"])

    async def event(self, reason: str) -> dict[str, Any]:
        """Wait for an event with a reason."""

        def found() -> list[dict[str, Any]]:
            return [o for key, o in self.api.objects.items() if "/events/" in key and o.get("reason") == reason]

        await self.api.until("", lambda _: found())
        return found()[-1]


def _phase(pod: dict[str, Any]) -> str:
    return str(pod.get("status", {}).get("phase"))


def terminated(pod: dict[str, Any]) -> dict[str, Any]:
    """Return how a pod's first container ended."""
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


@pytest.fixture
async def api() -> AsyncIterator[tuple[StandIn, str]]:
    stand_in = StandIn()
    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{path:.*}", stand_in.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield stand_in, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def idle(api: tuple[StandIn, str], tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose kubelet has not been started."""
    stand_in, server = api

    async def headers() -> dict[str, str]:
        return {}

    async with Client(Credentials(server=server, ssl_context=None, headers=headers)) as client:
        cluster = Cluster(stand_in, client, tmp_path / "cluster")
        yield cluster
        await cluster.stop()


@pytest.fixture
async def cluster(idle: Cluster) -> Cluster:
    """A cluster whose kubelet runs, isolated as well as this machine can."""
    await idle.start()
    return idle


@pytest.fixture(params=ISOLATIONS, ids=lambda isolation: f"isolation-{isolation}")
def isolation(request: pytest.FixtureRequest) -> Isolation:
    """Each way to isolate that this machine allows."""
    chosen: Isolation = request.param
    return chosen


@pytest.fixture
async def any_cluster(isolation: Isolation, idle: Cluster) -> Cluster:
    """A cluster in each of the ways to isolate."""
    await idle.start(isolation=isolation)
    return idle


@pytest.fixture
def stopwatch() -> Callable[[], float]:
    """Return the seconds since the test began."""
    start = time.monotonic()
    return lambda: time.monotonic() - start
