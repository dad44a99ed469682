"""Each container sees the GPUs that it asked for, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.local.kubelet import gpus

Cluster = Any
SHOW = "echo $CUDA_VISIBLE_DEVICES"


def asking(count: str) -> dict[str, Any]:
    return {"resources": {"limits": {"nvidia.com/gpu": count}}}


@pytest.fixture
async def with_gpus(idle: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster of a machine with three GPUs: it is the driver's files in /dev that tell them."""
    listed = [Path(f"/dev/nvidia{index}") for index in (2, 0, 1)]
    monkeypatch.setattr(gpus.Path, "glob", lambda *_: iter(listed))
    await idle.start()
    monkeypatch.undo()
    return idle


async def test_gpus_are_lent_to_one_container_at_a_time(with_gpus: Cluster) -> None:
    assert with_gpus.api.objects["/api/v1/nodes/local"]["status"]["allocatable"]["nvidia.com/gpu"] == "3"
    first = await with_gpus.run_pod("a", ["sh", "-c", f"{SHOW}; sleep 1000"], container=asking("2"))
    await with_gpus.running(first)
    second = await with_gpus.run_pod("b", ["sh", "-c", SHOW], container=asking("1"))
    await with_gpus.finished(second)
    third = await with_gpus.run_pod("c", ["sh", "-c", SHOW], container=asking("3"))
    await with_gpus.event("FailedScheduling")
    await with_gpus.api.delete(first, grace=0)
    await with_gpus.finished(third)

    assert (with_gpus.log(second), with_gpus.log(third)) == ("2\n", "0,1,2\n")


async def test_a_container_that_asks_for_no_gpu_sees_none(with_gpus: Cluster) -> None:
    path = await with_gpus.run_pod("a", ["sh", "-c", "echo [$CUDA_VISIBLE_DEVICES] $NVIDIA_VISIBLE_DEVICES"])
    await with_gpus.finished(path)

    assert with_gpus.log(path) == "[] void\n"
