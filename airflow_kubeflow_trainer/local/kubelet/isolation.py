"""Keep containers apart: which namespaces this machine allows, and those that the pods of one job share."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.objects import Pod

log = logging.getLogger(__name__)

_SUPERVISOR_PARENT = str(Path(__file__).resolve().parent)
_MAX_DESCRIPTORS = 2


class Isolation(StrEnum):
    """How containers are kept apart."""

    ROOT = "root"
    """Mount, PID and network namespaces, made as root."""
    USER = "user"
    """The same inside user namespaces, for everybody else."""
    NONE = "none"
    """No namespaces: jobs run one at a time, with the paths of their volumes rewritten."""


def supervisor_command(module: str, *arguments: str) -> list[str]:
    """Return the command line of a supervisor module, in a bare interpreter that is up in a few milliseconds."""
    code = f"import sys; sys.path.append({_SUPERVISOR_PARENT!r}); from supervisor.{module} import main; main()"
    return [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, *arguments]


class SandboxError(Exception):
    """The namespaces of a job cannot be made."""


async def best_isolation() -> Isolation:
    """Try what this machine allows, and return the best of it."""
    for isolation in (Isolation.ROOT, Isolation.USER):
        if await works(isolation):
            return isolation
    return Isolation.NONE


async def works(isolation: Isolation) -> bool:
    """Whether this machine lets this user isolate so; found out by running a container."""
    if isolation is Isolation.NONE:
        return True
    # Here and not above: process.py builds on this module.
    from airflow_kubeflow_trainer.local.kubelet.process import ContainerProcess
    from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Mount, Root, Spec

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        try:
            namespaces = await make_namespaces(isolation)
            spec = Spec(
                argv=["/bin/sh", "-c", "test -d /kubelet-probe/root"],
                env={},
                working_directory="/",
                log_file=f"{folder}/log",
                log_segment_bytes=1024,
                log_segments=1,
                exit_file=f"{folder}/exit",
                root=Root(
                    folder=str(root), mounts=[Mount(source=folder, target="/kubelet-probe")], private_folders=["/tmp"]
                ),
                user_namespace_fd=namespaces.user_fd,
                network_namespace_fd=namespaces.network_fd,
            )
            try:
                process = await ContainerProcess.start(spec, on_log_failure=log.info)
                ended = await process.wait()
            finally:
                namespaces.close()
        except (OSError, SandboxError) as error:
            log.info("Namespaces (%s) do not work here: %s", isolation, error)
            return False
        log.debug("Namespaces (%s): %s", isolation, ended)
        return ended is not None and ended.code == 0


@dataclass(frozen=True)
class Namespaces:
    """Descriptors of the namespaces that the pods of one job share; None where they are the host's."""

    user_fd: int | None = None
    network_fd: int | None = None

    def close(self) -> None:
        for fd in (self.user_fd, self.network_fd):
            if fd is not None:
                os.close(fd)


async def make_namespaces(isolation: Isolation) -> Namespaces:
    """Make a network namespace, inside a user namespace where that is how it is done here.

    :raises SandboxError: this machine forbids it.
    """
    if isolation is Isolation.NONE:
        return Namespaces()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = supervisor_command("namespaces", str(theirs.fileno()), isolation.value)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        )
        _, errors = await process.communicate()
        if process.returncode != 0:
            last_line = errors.decode(errors="replace").strip().rpartition("\n")[2]
            raise SandboxError(f"namespaces ({isolation}) cannot be made: {last_line}")
        _, descriptors, _, _ = socket.recv_fds(ours, 16, _MAX_DESCRIPTORS)
    if isolation is Isolation.USER:
        return Namespaces(user_fd=descriptors[0], network_fd=descriptors[1])
    return Namespaces(network_fd=descriptors[0])


@dataclass(kw_only=True)
class JobSandbox:
    """What the pods of one job share."""

    isolation: Isolation
    namespaces: Namespaces
    hosts_file: Path
    host_names: list[str] = field(default_factory=list)
    pods: int = 0

    def add_names(self, names: list[str]) -> None:
        """Let names lead to this machine; containers that run already see it too."""
        new = [name for name in names if name not in self.host_names]
        if new:
            self.host_names += new
            with self.hosts_file.open("a") as file:
                file.write(f"127.0.0.1\t{' '.join(new)}\n")


class JobSandboxes:
    """The sandboxes of all jobs that have a pod here; each lasts from its first pod to its last."""

    def __init__(self, directory: Path, isolation: Isolation) -> None:
        self._directory = directory
        self._isolation = isolation
        self._sandboxes: dict[str, JobSandbox] = {}
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def join(self, pod: Pod) -> AsyncIterator[JobSandbox]:
        """Give the pod the sandbox of its job; without namespaces, wait until no other job has one.

        :raises SandboxError: the sandbox cannot be made.
        """
        key = objects.job_key(pod)
        async with self._changed:
            if self._isolation is Isolation.NONE:
                await self._changed.wait_for(lambda: set(self._sandboxes) <= {key})
            if key not in self._sandboxes:
                self._sandboxes[key] = await self._make(key)
            sandbox = self._sandboxes[key]
            sandbox.pods += 1
            sandbox.add_names(objects.host_names(pod))
        try:
            yield sandbox
        finally:
            # No awaiting: this must hold when the pod's task is being cancelled.
            sandbox.pods -= 1
            if not sandbox.pods:
                del self._sandboxes[key]
                sandbox.namespaces.close()
                with suppress(OSError):
                    sandbox.hosts_file.unlink()
                self._wake = asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _make(self, key: str) -> JobSandbox:
        hosts_file = self._directory / f"{key}.hosts"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            hosts_file.write_text(_host_file_base())
        except OSError as error:
            raise SandboxError(str(error)) from error
        return JobSandbox(
            isolation=self._isolation, namespaces=await make_namespaces(self._isolation), hosts_file=hosts_file
        )


def _host_file_base() -> str:
    """Return the host's own names: pods on its network need them."""
    with suppress(OSError):
        return Path("/etc/hosts").read_text().rstrip("\n") + "\n"
    return "127.0.0.1\tlocalhost\n"
