"""The API server as something that runs: a store, an application and a TLS socket on loopback."""

from __future__ import annotations

import errno
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from airflow_kubeflow_trainer.local.api.app import make_app
from airflow_kubeflow_trainer.local.api.logs import LogProxy, kubelet_tls
from airflow_kubeflow_trainer.local.api.registry import Admit
from airflow_kubeflow_trainer.local.api.store import HISTORY_LENGTH, Store
from airflow_kubeflow_trainer.local.pki import Pki

LOOPBACK = "127.0.0.1"
_SHUTDOWN_SECONDS = 0.2
"""How long open requests get at the end; watches and followed logs are cut off then."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """One API server."""

    database: Path
    token: str
    pki: Pki
    admit: Admit
    history_length: int = HISTORY_LENGTH
    """Changes of each resource that watches can go back by."""

    @asynccontextmanager
    async def running(self, *, port: int = 0, preferred_port: int = 0) -> AsyncIterator[str]:
        """Serve while the context lasts; gives the URL.

        :param port: the port to serve on; 0 takes the preferred one, or any where that is taken.
        :raises OSError: the port is taken.
        """
        store = Store(self.database, history_length=self.history_length)
        try:
            logs = LogProxy(store, kubelet_tls(self.pki.kubelet_client))
            app = make_app(store, token=self.token, admit=self.admit, logs=logs)
            # Cancelled with the client's connection: else a watch would go on for nobody.
            runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
            await runner.setup()
            try:
                yield await self._listen(runner, port, preferred_port)
            finally:
                await runner.cleanup()
        finally:
            store.close()

    async def _listen(self, runner: web.AppRunner, port: int, preferred_port: int) -> str:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pki.serving.certificate, self.pki.serving.key)
        try:
            await web.TCPSite(runner, LOOPBACK, port or preferred_port, ssl_context=context).start()
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
            log.warning("Port %d, which was this cluster's, is taken; it gets another one", preferred_port)
            await web.TCPSite(runner, LOOPBACK, 0, ssl_context=context).start()
        return f"https://{LOOPBACK}:{runner.addresses[0][1]}"
