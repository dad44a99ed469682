"""What it takes to be let into one cluster."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.cluster import kubeconfig
from airflow_kubeflow_trainer.exceptions import ConfigError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """An API server's address and the proof of who we are."""

    server: str
    """Base URL, for example ``https://10.0.0.1:6443``."""
    ssl_context: ssl.SSLContext | None = field(repr=False)
    """How TLS is spoken: whom we trust, and our client certificate. None for plain HTTP."""
    headers: Callable[[], Awaitable[Mapping[str, str]]] = field(repr=False)
    """Gives the headers that authenticate a request; asked for each request, since tokens are renewed."""
    server_hostname: str | None = None
    """Name to expect in the server's certificate, where it is not the one in the address."""
    proxy: str | None = field(default=None, repr=False)
    """URL of an HTTP proxy. None uses what the environment says."""

    @classmethod
    def from_token(cls, *, server: str, ca_file: Path | None, token: str) -> Credentials:
        """Make credentials of a bearer token; ``ca_file`` None trusts the system's authorities."""

        async def headers() -> Mapping[str, str]:
            return {"Authorization": f"Bearer {token}"}

        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        return cls(server=server.rstrip("/"), ssl_context=context, headers=headers)

    @classmethod
    def from_configuration(cls, configuration: Configuration) -> Credentials:
        """Take over what kubernetes_asyncio has read from a kubeconfig or found in a pod."""

        async def headers() -> Mapping[str, str]:
            settings = await configuration.auth_settings()
            return {setting["key"]: setting["value"] for setting in settings.values() if setting["in"] == "header"}

        server = str(configuration.host).rstrip("/")
        return cls(
            server=server,
            ssl_context=_ssl_context(configuration) if server.startswith("https:") else None,
            headers=headers,
            server_hostname=configuration.tls_server_name,
            proxy=configuration.proxy,
        )


async def from_kubeconfig(path: Path | str | None = None, *, context: str | None = None) -> Credentials:
    """Read a kubeconfig file, exec plugins and all.

    :param path: the file; None reads what ``KUBECONFIG`` names, else ``~/.kube/config``.
    :param context: name of the context; None takes the file's current one.
    :raises ConfigError: there is no such file or context, or what it says cannot be used.
    """
    found = kubeconfig.read(path, context=context)
    if found.is_static:
        return _from_context(found)
    client, config = await _kubernetes_asyncio()
    configuration = client.Configuration()
    with _as_config_error(config):
        await config.load_kube_config(
            config_file=str(path) if path else None, context=context, client_configuration=configuration
        )
    return Credentials.from_configuration(configuration)


async def from_kubeconfig_dict(content: Mapping[str, Any], *, context: str | None = None) -> Credentials:
    """As :func:`from_kubeconfig`, from a kubeconfig that has been read already."""
    found = kubeconfig.from_dict(content, context=context)
    if found.is_static:
        return _from_context(found)
    client, config = await _kubernetes_asyncio()
    configuration = client.Configuration()
    with _as_config_error(config):
        await config.load_kube_config_from_dict(dict(content), context=context, client_configuration=configuration)
    return Credentials.from_configuration(configuration)


async def in_cluster() -> Credentials:
    """Take the service account of the pod that we run in.

    :raises ConfigError: there is none.
    """
    client, config = await _kubernetes_asyncio()
    configuration = client.Configuration()
    with _as_config_error(config):
        config.load_incluster_config(client_configuration=configuration)
    return Credentials.from_configuration(configuration)


async def _kubernetes_asyncio() -> tuple[Any, Any]:
    """Import kubernetes_asyncio, which takes seconds that an event loop must not be held up for."""
    await asyncio.to_thread(importlib.import_module, "kubernetes_asyncio")
    from kubernetes_asyncio import client, config

    return client, config


@contextmanager
def _as_config_error(config: Any) -> Iterator[None]:
    try:
        yield
    except config.ConfigException as error:
        raise ConfigError(str(error)) from error


def _from_context(context: kubeconfig.Context) -> Credentials:
    authorization = context.authorization()

    async def headers() -> Mapping[str, str]:
        return {"authorization": authorization} if authorization else {}

    return Credentials(
        server=context.server,
        ssl_context=context.ssl_context(),
        headers=headers,
        server_hostname=context.server_hostname,
        proxy=context.proxy,
    )


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if configuration.disable_strict_ssl_verification:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
