"""Pods as the API server gives them, for tests that read them."""

from __future__ import annotations

from typing import Any

CREATED = "2026-01-01T00:00:00Z"


def pod_object(
    name: str = "job-node-0-0-abcde",
    *,
    job: str = "node",
    index: int = 0,
    phase: str = "Running",
    state: dict[str, Any] | None = None,
    last_state: dict[str, Any] | None = None,
    restarts: int = 0,
    conditions: list[dict[str, Any]] | None = None,
    created: str = CREATED,
    **status: Any,
) -> dict[str, Any]:
    containers = []
    if state is not None:
        containers = [{"name": job, "restartCount": restarts, "state": state, "lastState": last_state or {}}]
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-of-{name}",
            "creationTimestamp": created,
            "labels": {
                "jobset.sigs.k8s.io/replicatedjob-name": job,
                "batch.kubernetes.io/job-completion-index": str(index),
            },
        },
        "spec": {"nodeName": "gpu-7"},
        "status": {"phase": phase, "containerStatuses": containers, "conditions": conditions or [], **status},
    }


def terminated(code: int, reason: str = "Error", message: str = "", started: str = CREATED) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, "startedAt": started}}


def running(started: str = CREATED) -> dict[str, Any]:
    return {"running": {"startedAt": started}}
