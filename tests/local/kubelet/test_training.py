"""Distributed PyTorch jobs, as Trainer's pods describe them."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from airflow_kubeflow_trainer.local.kubelet import Isolation

Cluster = Any

ALL_REDUCE = textwrap.dedent(
    """
    import os, torch, torch.distributed as dist
    dist.init_process_group("gloo")
    value = torch.tensor([float(os.environ["BASE"]) + dist.get_rank()])
    dist.all_reduce(value)
    print("sum", value.item(), "of", dist.get_world_size(), "at", os.environ["MASTER_ADDR"], flush=True)
    dist.destroy_process_group()
    """
)


async def run_node(cluster: Cluster, job: str, index: int, base: int) -> str:
    """Create the pod of one node, with what JobSet, Job and Trainer put into it."""
    pet = {
        "PET_NNODES": "2",
        "PET_NPROC_PER_NODE": "1",
        "PET_MASTER_ADDR": f"{job}-node-0-0.{job}",
        "PET_MASTER_PORT": "29500",
        "BASE": str(base),
    }
    rank = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    env = [
        *({"name": name, "value": value} for name, value in pet.items()),
        {"name": "PET_NODE_RANK", "valueFrom": rank},
    ]
    metadata = {
        "labels": {"jobset.sigs.k8s.io/jobset-name": job, "jobset.sigs.k8s.io/jobset-uid": f"uid-{job}"},
        "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
    }
    path: str = await cluster.run_pod(
        f"{job}-node-0-{index}-abcde",
        ["torchrun", "--no-python", "python", "-c", ALL_REDUCE],
        container={"image": "pytorch/pytorch:2.13.0", "env": env},
        metadata=metadata,
        hostname=f"{job}-node-0-{index}",
        subdomain=job,
    )
    return path


@pytest.mark.timeout(120)
async def test_two_jobs_of_two_nodes_side_by_side_do_not_meet_on_their_port(cluster: Cluster) -> None:
    paths = {(job, i): await run_node(cluster, job, i, base) for job, base in (("a", 1), ("b", 100)) for i in (1, 0)}
    for path in paths.values():
        pod = await cluster.finished(path, patience=100)
        assert pod["status"]["phase"] == "Succeeded", cluster.log(path)
    for (job, index), path in paths.items():
        total = {"a": 3.0, "b": 201.0}[job]
        assert f"sum {total} of 2 at {job}-node-0-0.{job}" in cluster.log(path), (job, index)


@pytest.mark.timeout(120)
async def test_without_namespaces_jobs_run_one_after_the_other(idle: Cluster) -> None:
    await idle.start(isolation=Isolation.NONE)
    paths = [await run_node(idle, job, i, base) for job, base in (("a", 1), ("b", 100)) for i in (0, 1)]
    for path in paths:
        pod = await idle.finished(path, patience=100)
        assert pod["status"]["phase"] == "Succeeded", idle.log(path)
    spans: dict[str, list[str]] = {"a": [], "b": []}
    for path in paths:
        state = idle.api.objects[path]["status"]["containerStatuses"][0]["state"]["terminated"]
        spans[path.rsplit("/", 1)[1][0]] += [state["startedAt"], state["finishedAt"]]
    assert max(spans["a"]) <= min(spans["b"]) or max(spans["b"]) <= min(spans["a"])
