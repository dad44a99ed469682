"""Kubeconfigs: which cluster and which user a context names, and how that user proves who he is.

kubernetes_asyncio reads them too, but its import alone takes seconds. So it is asked only where a program or a provider
has to be asked for the credentials (``exec``, ``auth-provider``); what stands in the file is read here, by the rules of
kubectl.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.exceptions import ConfigError

_LISTS = {"cluster": "clusters", "user": "users", "context": "contexts"}
_ASKED_FOR = ("exec", "auth-provider")


@dataclass(frozen=True)
class _Entry:
    """One cluster, user or context, and the folder that paths in it start from."""

    content: Mapping[str, Any]
    folder: Path

    def text(self, field: str) -> str | None:
        """Read a field that holds text, as ``<field>-data`` in base64, or the path of a file, as ``<field>``."""
        data = self.content.get(f"{field}-data")
        if data:
            try:
                return base64.b64decode(data).decode()
            except ValueError as error:
                raise ConfigError(f"{field}-data is not base64 of text") from error
        path = self.content.get(field)
        return (self.folder / path).read_text() if path else None


@dataclass(frozen=True)
class Context:
    """A cluster, a user and a namespace."""

    cluster: _Entry
    user: _Entry
    namespace: str | None

    @property
    def is_static(self) -> bool:
        """Whether the kubeconfig itself says how the user proves who he is."""
        return not any(self.user.content.get(field) for field in _ASKED_FOR)

    @property
    def server(self) -> str:
        server = self.cluster.content.get("server")
        if not server:
            raise ConfigError("its cluster has no server")
        return str(server).rstrip("/")

    @property
    def server_hostname(self) -> str | None:
        return self.cluster.content.get("tls-server-name")

    @property
    def proxy(self) -> str | None:
        return self.cluster.content.get("proxy-url")

    def authorization(self) -> str | None:
        """Give the header ``Authorization``; None where a certificate, or nothing, is the proof."""
        user = self.user.content
        token = user.get("token")
        if not token and user.get("tokenFile"):
            token = (self.user.folder / user["tokenFile"]).read_text().strip()
        if token:
            return f"Bearer {token}"
        if "username" in user and "password" in user:
            return "Basic " + base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        return None

    def ssl_context(self) -> ssl.SSLContext | None:
        """Give how TLS is spoken; None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cadata=self.cluster.text("certificate-authority"))
        except ssl.SSLError as error:
            raise ConfigError(f"certificate-authority is no certificate: {error.reason or error}") from error
        if self.cluster.content.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = self.user.text("client-certificate"), self.user.text("client-key")
        if certificate:
            _load_certificate(context, certificate, key or "")
        return context


def read(path: Path | str | None, *, context: str | None) -> Context:
    """Read a kubeconfig file.

    :param path: the file; None reads those that ``KUBECONFIG`` names, else ``~/.kube/config``.
    :param context: name of the context; None takes the current one.
    :raises ConfigError: there is no such file or context, or it is no kubeconfig.
    """
    if path is not None:
        files = [Path(path).expanduser()]
    else:
        named = os.environ.get("KUBECONFIG") or "~/.kube/config"
        files = [file for name in named.split(os.pathsep) if name and (file := Path(name).expanduser()).exists()]
        if not files:
            raise ConfigError(f"there is no {named}")
    return _choose([(_parse(file), file.absolute().parent) for file in files], context)


def from_dict(content: Mapping[str, Any], *, context: str | None) -> Context:
    """As :func:`read`, of a kubeconfig that has been read already; its paths start from the working directory."""
    return _choose([(content, Path())], context)


def _parse(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{file} is not a kubeconfig: it must be a mapping")
    return content


def _choose(files: Sequence[tuple[Mapping[str, Any], Path]], name: str | None) -> Context:
    # Of several files, the first that says something counts.
    name = name or next((content["current-context"] for content, _ in files if content.get("current-context")), None)
    if name is None:
        raise ConfigError("it has no current-context, and no context is named")
    context = _find("context", name, files).content
    cluster = _find("cluster", context.get("cluster"), files)
    user = _find("user", context["user"], files) if context.get("user") else _Entry({}, Path())
    return Context(cluster, user, context.get("namespace"))


def _find(kind: str, name: Any, files: Sequence[tuple[Mapping[str, Any], Path]]) -> _Entry:
    known = []
    for content, folder in files:
        for entry in content.get(_LISTS[kind]) or []:
            if entry.get("name") == name:
                return _Entry(entry.get(kind) or {}, folder)
            known.append(str(entry.get("name")))
    raise ConfigError(f"there is no {kind} {name!r} in it; there are: {', '.join(known) or 'none'}")


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # Python takes certificates from files only. Made with mode 0600, and gone at once.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        context.load_cert_chain(file.name)
