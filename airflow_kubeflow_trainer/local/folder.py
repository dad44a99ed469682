"""The folder of one local cluster: what lies where, and who runs it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AlreadyRunningError(RuntimeError):
    """Another process runs the cluster or the node of this folder."""


class NotRunningError(RuntimeError):
    """No process runs the cluster of this folder."""


@dataclass(frozen=True)
class ClusterFolder:
    """Everything that a local cluster keeps."""

    directory: Path

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def ca_certificate(self) -> Path:
        return self.pki / "ca.crt"

    @property
    def database(self) -> Path:
        return self.directory / "state.db"

    @property
    def log(self) -> Path:
        """What a cluster that runs in the background has to say."""
        return self.directory / "cluster.log"

    @property
    def token_file(self) -> Path:
        return self.directory / "token"

    @property
    def _lock(self) -> Path:
        return self.directory / "lock"

    @property
    def _cluster_file(self) -> Path:
        return self.directory / "cluster.json"

    def prepare(self) -> None:
        """Make the folder, closed to others."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def token(self) -> str:
        """Return the token that lets in; made at the first call and kept from then on."""
        try:
            descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if kept := self.token_file.read_text().strip():
                return kept
            self.token_file.unlink()
            return self.token()
        token = secrets.token_urlsafe(32)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        return token

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one process that runs this cluster, or this node of another one.

        :raises AlreadyRunningError: there is one already.
        """
        with self._lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(f"a cluster or a node is already running in {self.directory}") from None
            yield

    def wait_unlocked(self) -> None:
        """Wait until no process runs this cluster."""
        with self._lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)

    def write_cluster(self, *, server: str, port: int) -> None:
        """Note who runs the cluster and where it is."""
        partial = self._cluster_file.with_suffix(".partial")
        partial.write_text(json.dumps({"pid": os.getpid(), "port": port, "server": server}) + "\n")
        partial.replace(self._cluster_file)

    def last_port(self) -> int:
        """Return the port that the cluster had when it ran last; 0 if it never did."""
        return int(self._read_cluster().get("port", 0))

    def running(self) -> tuple[int, str]:
        """Return the process id and the URL of the cluster that runs in this folder.

        :raises NotRunningError: none does.
        """
        try:
            with self.locked():
                pass
        except AlreadyRunningError:
            found = self._read_cluster()
            if found:
                return int(found["pid"]), str(found["server"])
        except FileNotFoundError:
            pass
        raise NotRunningError(f"no cluster is running in {self.directory}")

    def _read_cluster(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._cluster_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content
