"""The aiohttp application: who is let in, and how a refusal is told."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from airflow_kubeflow_trainer.local.api.expiry import EventExpiry
from airflow_kubeflow_trainer.local.api.handlers import Handlers
from airflow_kubeflow_trainer.local.api.logs import LogProxy
from airflow_kubeflow_trainer.local.api.registry import Admit, Registry
from airflow_kubeflow_trainer.local.api.requests import MAX_BODY_BYTES, refuse
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.status import StatusError

_OPEN = ("/readyz", "/livez")
_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)


def make_app(store: Store, *, token: str, admit: Admit, logs: LogProxy) -> web.Application:
    """Return the API server's application.

    :param token: who sends it as a bearer may do everything; nobody else may do anything.
    """
    registry = Registry(store, admit)
    handlers = Handlers(store, registry, logs)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_tell_refusals, _let_in(token)])
    for path in _OPEN:
        app.router.add_get(path, _ok)
    app.router.add_route("*", "/{path:.*}", handlers.handle)

    async def run(_: web.Application) -> AsyncIterator[None]:
        expiring = asyncio.create_task(EventExpiry(store, registry).run())
        yield
        expiring.cancel()
        await logs.close()

    app.cleanup_ctx.append(run)
    return app


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@web.middleware
async def _tell_refusals(request: web.Request, handler: _Next) -> web.StreamResponse:
    try:
        return await handler(request)
    except StatusError as error:
        return refuse(error)
    except web.HTTPException as error:
        return refuse(StatusError(error.status, error.reason.replace(" ", ""), error.text or error.reason))
    except ConnectionError:
        raise
    except RecursionError:
        # Whoever walks through the object meets it, wherever that is.
        return refuse(StatusError(400, "BadRequest", "the object provided is nested too deeply"))
    except Exception:
        log.exception("%s %s", request.method, request.path)
        message = "Internal error occurred: the local cluster's log has the traceback"
        return refuse(StatusError(500, "InternalError", message))


def _let_in(token: str) -> Middleware:
    wanted = token.encode()

    @web.middleware
    async def let_in(request: web.Request, handler: _Next) -> web.StreamResponse:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), wanted)
        if request.path not in _OPEN and not (known and scheme.lower() == "bearer"):
            raise StatusError(401, "Unauthorized", "Unauthorized")
        return await handler(request)

    return let_in
