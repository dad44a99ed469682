"""The verbs: from an HTTP request to the store and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from aiohttp import web

from airflow_kubeflow_trainer.local.api import (
    binding,
    discovery,
    errors,
    eviction,
    log_options,
    openapi,
    reviews,
    tables,
)
from airflow_kubeflow_trainer.local.api.deletion import delete_options
from airflow_kubeflow_trainer.local.api.listing import list_options, list_page
from airflow_kubeflow_trainer.local.api.logs import LogProxy
from airflow_kubeflow_trainer.local.api.paths import Target, parse
from airflow_kubeflow_trainer.local.api.registry import Place, Registry
from airflow_kubeflow_trainer.local.api.requests import answer, read_body, read_patch, write_options
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.api.watching import flag, watch_lines, watch_options
from airflow_kubeflow_trainer.local.status import page_not_found

_Handler = Callable[[web.Request, Target], Awaitable[web.StreamResponse]]


class Handlers:
    """Answers every request that has been let in."""

    def __init__(self, store: Store, registry: Registry, logs: LogProxy) -> None:
        self._store = store
        self._registry = registry
        self._logs = logs
        self._collection: dict[str, _Handler] = {
            "GET": self._list,
            "POST": self._create,
            "DELETE": self._delete_collection,
        }
        self._object: dict[str, _Handler] = {
            "GET": self._get,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        self._subresources: dict[str, dict[str, _Handler]] = {
            "status": {"GET": self._get, "PUT": self._replace, "PATCH": self._patch},
            "log": {"GET": self._log},
            "binding": {"POST": self._bind},
            "eviction": {"POST": self._evict},
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request.

        :raises StatusError: it is refused.
        """
        target = parse(request.rel_url.raw_path)
        if target is None:
            return await self._answer_about_server(request)
        if target.subresource is not None:
            methods = self._subresources[target.subresource]
        else:
            methods = self._collection if target.name is None else self._object
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise errors.method_not_allowed()
        return await handler(request, target)

    async def _answer_about_server(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if openapi.wants_explanation(path, request.headers):
            return web.Response(status=406, text=openapi.NO_EXPLANATION)
        if request.method == "POST":
            review = reviews.answer(path, await read_body(request))
            if review is not None:
                return answer(review, status=201)
        elif path == "/version":
            return answer(discovery.version())
        elif path == "/healthz":
            return web.Response(text="ok")
        elif (found := discovery.describe(path) or openapi.describe(path)) is not None:
            return answer(found)
        raise page_not_found()

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        stored = self._registry.get(target.place)
        if tables.wanted(request):
            return answer(tables.table(target.resource, [stored.object], stored.object["metadata"]))
        return answer(stored.text)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        if flag(request.query, "watch"):
            return await self._watch(request, target)
        options = list_options(target.resource, request.query)
        page = list_page(self._store, target.resource, target.namespace, options)
        if tables.wanted(request):
            return answer(tables.table(target.resource, [item.object for item in page.items], page.metadata))
        body = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version}
        return answer({**body, "metadata": page.metadata, "items": [item.object for item in page.items]})

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = watch_options(target.resource, request.query)
        encode = tables.encoder(target.resource) if tables.wanted(request) else lambda stored: stored.text
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async with aclosing(watch_lines(self._store, target.resource, target.namespace, options, encode)) as lines:
            async for line in lines:
                await response.write(line)
        await response.write_eof()
        return response

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.resource.namespaced and target.namespace is None:
            raise errors.method_not_allowed()
        options = write_options(request.query, kind="CreateOptions")
        body = await read_body(request)
        written = self._registry.create(target.resource, target.namespace or "", body, options)
        return answer(written.object, status=201, warnings=written.warnings)

    async def _replace(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = write_options(request.query, kind="UpdateOptions")
        body = await read_body(request)
        written = self._registry.replace(target.place, body, options, status=target.subresource == "status")
        return answer(written.object, warnings=written.warnings)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = write_options(request.query, kind="PatchOptions")
        change = await read_patch(request, target.resource)
        written = self._registry.patch(target.place, change, options, status=target.subresource == "status")
        return answer(written.object, warnings=written.warnings)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = delete_options(await read_body(request), request.query)
        obj, gone = self._registry.delete(target.place, options)
        if gone and not target.resource.returns_deleted:
            return answer(_deleted(target, obj))
        return answer(obj)

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        everywhere = target.resource.namespaced and target.namespace is None
        if everywhere or "deletecollection" not in target.resource.verbs:
            raise errors.method_not_allowed()
        options = delete_options(await read_body(request), request.query)
        page = list_page(self._store, target.resource, target.namespace, list_options(target.resource, request.query))
        items = [self._registry.delete(Place(target.resource, *item.key), options)[0] for item in page.items]
        body = {"kind": f"{target.resource.kind}List", "apiVersion": target.resource.api_version}
        return answer({**body, "metadata": page.metadata, "items": items})

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        log_options.check(request.query, pod=target.name or "")
        pod = self._registry.get(target.place).object
        async with self._logs.open(pod, request.query) as chunks:
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
        return response

    async def _bind(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = write_options(request.query, kind="CreateOptions")
        binding.bind(self._store, self._registry, target.place, await read_body(request), options)
        return answer(_SUCCESS, status=201)

    async def _evict(self, request: web.Request, target: Target) -> web.StreamResponse:
        eviction.evict(self._store, self._registry, target.place, await read_body(request), request.query)
        return answer(_SUCCESS, status=201)


_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _deleted(target: Target, obj: dict[str, Any]) -> dict[str, Any]:
    resource, metadata = target.resource, obj["metadata"]
    details = {"name": metadata["name"], "group": resource.group, "kind": resource.plural, "uid": metadata["uid"]}
    return {**_SUCCESS, "details": {key: value for key, value in details.items() if value}}
