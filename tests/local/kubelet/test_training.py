"""Distributed PyTorch jobs, as Trainer's pods describe them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from tinymodel.llama import OVERRIDES, write_model, write_rows

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


async def test_two_jobs_of_two_nodes_side_by_side_do_not_meet_on_their_port(cluster: Cluster) -> None:
    paths = {(job, i): await run_node(cluster, job, i, base) for job, base in (("a", 1), ("b", 100)) for i in (1, 0)}
    for path in paths.values():
        pod = await cluster.finished(path, patience=100)
        assert pod["status"]["phase"] == "Succeeded", cluster.log(path)
    for (job, index), path in paths.items():
        total = {"a": 3.0, "b": 201.0}[job]
        assert f"sum {total} of 2 at {job}-node-0-0.{job}" in cluster.log(path), (job, index)


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


async def test_without_namespaces_a_job_that_is_deleted_before_its_turn_is_gone_at_once(idle: Cluster) -> None:
    await idle.start(isolation=Isolation.NONE)
    first = await idle.run_pod("a", ["sleep", "1000"])
    await idle.running(first)
    second = await idle.run_pod("b", ["true"])
    await idle.waiting(second, "ContainerCreating")
    await idle.api.delete(second)
    await idle.api.until(second, lambda pod: not pod)
    assert idle.api.objects[first]["status"]["phase"] == "Running"


async def run_torchtune(cluster: Cluster, name: str, source: Path) -> str:
    """Create one pod with what the three pods of a TorchTune TrainJob do, one after the other."""
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    claim = {"metadata": {"name": f"initializer-{name}"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    await cluster.api.create(claims, claim)
    mount = {"volumeMounts": [{"name": "initializer", "mountPath": "/workspace"}]}
    initializers = [
        {
            "name": f"{kind}-initializer",
            "image": f"ghcr.io/kubeflow/trainer/{kind}-initializer:v2.3.0",
            "env": [{"name": "STORAGE_URI", "value": f"file://{source}/{kind}"}],
            **mount,
        }
        for kind in ("dataset", "model")
    ]
    fixed = {
        "output_dir": "/workspace/output",
        "tokenizer.path": "/workspace/model/original/tokenizer.model",
        "checkpointer.checkpoint_dir": "/workspace/model",
        "dataset": "torchtune.datasets.instruct_dataset",
        "dataset.source": "json",
        "dataset.data_files": "/workspace/dataset/rows.json",
        "device": "cpu",
        "dtype": "fp32",
        "max_steps_per_epoch": 2,
        "epochs": 1,
        "batch_size": 2,
        "optimizer": "torch.optim.AdamW",
    }
    values = {key: json.dumps(v) if isinstance(v, list) else v for key, v in {**fixed, **OVERRIDES}.items()}
    path: str = await cluster.run_pod(
        name,
        ["tune", "run", "full_finetune_single_device", "--config", "llama3_2/1B_full_single_device"],
        container={
            "image": "ghcr.io/kubeflow/trainer/torchtune-trainer",
            "args": [f"{key}={value}" for key, value in values.items()],
            **mount,
        },
        initContainers=initializers,
        volumes=[{"name": "initializer", "persistentVolumeClaim": {"claimName": f"initializer-{name}"}}],
    )
    return path


async def test_two_torchtune_jobs_at_once_keep_their_outputs_apart(cluster: Cluster, tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        write_model(tmp_path / name / "model", seed=seed)
        write_rows(tmp_path / name / "dataset")
    paths = [await run_torchtune(cluster, name, tmp_path / name) for name in ("a", "b")]
    for path in paths:
        pod = await cluster.finished(path, patience=280)
        assert pod["status"]["phase"] == "Succeeded", cluster.log(path)
    saved = "output/epoch_0/model-00001-of-00001.safetensors"
    weights = [cluster.directory / "volumes/default" / f"initializer-{name}" / saved for name in ("a", "b")]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert not Path("/workspace").exists()
