"""The terminated state of a container: exit code, reason and message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.container_spec import RunFiles
from airflow_kubeflow_trainer.local.kubelet.log_segments import last_records
from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Exit

LONGEST_MESSAGE_BYTES = 4096
LONGEST_LOG_MESSAGE_BYTES = 2048
LONGEST_LOG_MESSAGE_LINES = 80
OUT_OF_MEMORY_CODE = 137


def terminated_state(ended: Exit, files: RunFiles, container: Mapping[str, Any]) -> dict[str, Any]:
    """Return Kubernetes' ``terminated`` for how a run ended."""
    code = OUT_OF_MEMORY_CODE if ended.out_of_memory else ended.code
    state: dict[str, Any] = {
        "exitCode": code,
        "reason": _reason(ended, code),
        "startedAt": objects.rfc3339(ended.started_at),
        "finishedAt": objects.rfc3339(ended.finished_at),
    }
    if ended.start_error is not None:
        message = f"failed to start container: {ended.start_error}"
    else:
        policy = container.get("terminationMessagePolicy") or "File"
        message = _message(files, fall_back_to_log=policy == "FallbackToLogsOnError" and code != 0)
    return {**state, "message": message} if message else state


def _reason(ended: Exit, code: int) -> str:
    if ended.start_error is not None:
        return "StartError"
    if ended.out_of_memory:
        return "OOMKilled"
    return "Error" if code else "Completed"


def _message(files: RunFiles, *, fall_back_to_log: bool) -> str:
    message = _head(files.termination_message, LONGEST_MESSAGE_BYTES)
    if message or not fall_back_to_log:
        return message
    return _end_of_log(files.log)


def _head(path: Path, size: int) -> str:
    try:
        with path.open("rb") as file:
            return file.read(size).decode(errors="replace")
    except OSError:
        return ""


def _end_of_log(log: Path) -> str:
    # Each line of the log carries some 40 bytes of its own.
    size = LONGEST_LOG_MESSAGE_BYTES + 64 * LONGEST_LOG_MESSAGE_LINES
    text = b"".join(_text(record) for record in last_records(log, size)[-LONGEST_LOG_MESSAGE_LINES:])
    return text[-LONGEST_LOG_MESSAGE_BYTES:].decode(errors="replace")


def _text(record: bytes) -> bytes:
    parts = record.removesuffix(b"\n").split(b" ", 3)
    if len(parts) < 4:
        return b""
    return parts[3] + b"\n" if parts[2] == b"F" else parts[3]
