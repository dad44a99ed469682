"""A local cluster for code: started with a ``with`` statement, gone at its end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_kubeflow_trainer.local.folder import ClusterFolder

STOP_SECONDS = 30.0
_LOG_LINES = 20


class ClusterStartError(RuntimeError):
    """The cluster did not start; the message has the end of its log."""


class LocalCluster:
    """A Kubernetes cluster with Kubeflow Trainer, as a process of its own. Use as a context manager.

    It ends with this process, however that ends.

    :param directory: its folder, in which everything is kept for the next start; None makes one that goes at the end.
    :param port: the API server's port; 0 takes the one that the folder's cluster had before, else a free one.
    :param restart_backoff_seconds: wait before a container's second restart; it doubles up to 300 s. None is
        Kubernetes' own 10 s.
    :param images: Python environments by the pattern of the images that they stand for (``ghcr.io/acme/*``).
    :param image_env: environment variables that all images have, HF_ENDPOINT for example.
    :param capacity: overrides of the node's capacity, for example ``{"nvidia.com/gpu": "2"}``.
    """

    def __init__(
        self,
        directory: Path | str | None = None,
        *,
        port: int = 0,
        restart_backoff_seconds: float | None = None,
        images: Mapping[str, Path] | None = None,
        image_env: Mapping[str, str] | None = None,
        capacity: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="airflow-kubeflow-trainer-")
        self._folder = ClusterFolder(Path(directory or self._temporary_name()).resolve())
        self._options = ["--port", str(port)]
        if restart_backoff_seconds is not None:
            self._options += ["--restart-backoff-seconds", str(restart_backoff_seconds)]
        for option, values in (("--image", images), ("--env", image_env), ("--capacity", capacity)):
            for name, value in (values or {}).items():
                self._options += [option, f"{name}={value}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._server = ""

    @property
    def directory(self) -> Path:
        """The cluster's folder."""
        return self._folder.directory

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that lets in as administrator."""
        return self._folder.kubeconfig

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority that signed the API server's."""
        return self._folder.ca_certificate

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._server

    @property
    def token(self) -> str:
        """The bearer token that lets in as administrator."""
        return self._folder.token()

    @property
    def pid(self) -> int:
        """The process that runs the cluster.

        :raises RuntimeError: it is not running.
        """
        if self._process is None:
            raise RuntimeError("the cluster is not running: call start()")
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self) -> Self:
        """Start the cluster and wait until it is ready for TrainJobs.

        :raises ClusterStartError: it ended instead.
        :raises RuntimeError: it is running already.
        """
        if self._process is not None:
            raise RuntimeError("the cluster is running already")
        self._folder.prepare()
        reading, writing = os.pipe()
        with os.fdopen(reading) as ready:
            try:
                self._process = self._spawn(writing)
            finally:
                os.close(writing)
            # Ends at the latest when the process does, which has the pipe's other end.
            self._server = ready.read()
        if not self._server:
            self.stop()
            raise ClusterStartError(f"The local cluster did not start. The end of {self._folder.log}:\n{self._tail()}")
        return self

    def stop(self) -> None:
        """Stop the cluster and all that runs on it; what it holds is kept for the next start."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def kill(self) -> None:
        """Let the cluster die without warning, as by SIGKILL; ``start`` brings it back."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None

    def _spawn(self, ready_fd: int) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", "airflow_kubeflow_trainer.local"]
        folder = ["--dir", str(self.directory), "--ready-fd", str(ready_fd), "--end-with-stdin"]
        with self._folder.log.open("ab") as log:
            return subprocess.Popen(
                [*module, "up", *folder, *self._options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[ready_fd],
                # Ctrl-C is for the program that started it, which then stops it in its own order.
                start_new_session=True,
            )

    def _temporary_name(self) -> str:
        return self._temporary.name if self._temporary is not None else ""

    def _tail(self) -> str:
        lines = self._folder.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])
