"""A small Hugging Face hub: as much of its API as downloading a repository takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

COMMIT = "a" * 40

Files = Mapping[str, bytes]
_Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True)
class Private:
    """A repository that opens with a token."""

    token: str
    files: Files


@asynccontextmanager
async def serving_hub(
    repositories: Mapping[str, Mapping[str, Files]], *, private: Mapping[str, Private] | None = None
) -> AsyncIterator[str]:
    """Serve repositories while the context lasts; gives the hub's address, for HF_ENDPOINT.

    :param repositories: files by kind (``models``, ``datasets``) and ``owner/name``.
    :param private: those of whatever kind that want a token, by ``owner/name``.
    """

    def repository(request: web.Request) -> Files:
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        closed = (private or {}).get(name)
        if closed is not None and request.headers.get("Authorization") == f"Bearer {closed.token}":
            return closed.files
        known = repositories.get(request.match_info["kind"], {})
        if name not in known:
            raise web.HTTPUnauthorized(headers={"X-Error-Code": "RepoNotFound"}, text="{}")
        return known[name]

    async def info(request: web.Request) -> web.Response:
        files = [{"rfilename": name} for name in repository(request)]
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        return web.json_response({"id": name, "sha": COMMIT, "siblings": files, "private": False, "tags": []})

    async def tree(request: web.Request) -> web.Response:
        entries = [
            {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
            for name, content in repository(request).items()
        ]
        return web.json_response(entries)

    async def file(request: web.Request) -> web.Response:
        content = repository(request)[request.match_info["path"]]
        return web.Response(body=content, headers={"X-Repo-Commit": COMMIT, "ETag": '"1"'})

    application = web.Application()
    for kind, prefix in (("models", ""), ("datasets", "/datasets")):
        base = f"/api/{kind}/{{owner}}/{{name}}"
        add: Any = application.router.add_get
        add(base, _of_kind(info, kind))
        add(base + "/revision/{revision}", _of_kind(info, kind))
        add(base + "/tree/{revision}", _of_kind(tree, kind))
        add(f"{prefix}/{{owner}}/{{name}}/resolve/{{revision}}/{{path:.*}}", _of_kind(file, kind))
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _of_kind(handler: _Handler, kind: str) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        request.match_info["kind"] = kind
        return await handler(request)

    return handle
