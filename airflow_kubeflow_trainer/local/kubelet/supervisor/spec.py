"""What the kubelet tells the supervisor, and what it gets back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Order:
    """The bytes that may follow the spec on standard input."""

    TERMINATE = b"T"
    """SIGTERM to the program's process group."""
    KILL = b"K"
    """SIGKILL to every process of the container."""


class Report(StrEnum):
    """What the supervisor says on its standard output: each a line of JSON, with one of these as its only key."""

    STARTED = "started"
    """The program runs; the value says nothing."""
    LOG_FAILURE = "log_failure"
    """The log cannot be written, and why; said once. The program goes on."""
    EXIT = "exit"
    """The :class:`Exit`, as its file has it: a full disk may have no room for that."""

    def line(self, value: Any) -> bytes:
        return json.dumps({self.value: value}).encode() + b"\n"


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of the host, to be seen at a path of the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Root:
    """The container's view of the file system: the host's, save for what is said here."""

    folder: str
    """An empty folder of the host which becomes ``/``; what the container writes beside its mounts lands here."""
    mounts: list[Mount]
    private_folders: list[str]
    """Absolute paths that start empty, whatever the host has there."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One run of one container."""

    argv: list[str]
    env: dict[str, str]
    working_directory: str
    log_file: str
    log_segment_bytes: int
    log_segments: int
    """How long the log may become: see :class:`~.log_file.LogFile`."""
    exit_file: str
    """Where the :class:`Exit` is written, as JSON, when all is over."""
    hostname: str | None = None
    memory_limit_bytes: int | None = None
    root: Root | None = None
    """None starts the program in the host's own namespaces."""
    user_namespace_fd: int | None = None
    network_namespace_fd: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Spec:
        content = json.loads(text)
        if content["root"] is not None:
            mounts = [Mount(**mount) for mount in content["root"].pop("mounts")]
            content["root"] = Root(mounts=mounts, **content["root"])
        return cls(**content)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a container's run ended."""

    code: int
    """As a shell says it: 128 + n for signal n."""
    started_at: float
    finished_at: float
    """Seconds since the epoch."""
    out_of_memory: bool = False
    start_error: str | None = None
    """Why the program could not be started; None where it was."""
