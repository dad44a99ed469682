"""The Kubeflow SDK, in an environment of its own whose Python SDK_PYTHON names, does its job on the local cluster."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.hub import serving_hub
from tests.tinymodel import llama

PROGRAM = Path(__file__).with_name("program.py")
PYTHON = os.environ["SDK_PYTHON"]

pytestmark = pytest.mark.timeout(300)


async def tell(cluster: LocalCluster, story: str) -> dict[str, Any]:
    """Run one story of the program to its end, and return what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, str(PROGRAM), str(cluster.kubeconfig), story),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    # A warning would be here: the SDK asks, for example, which Trainer this is.
    assert complaints == b""
    return dict(json.loads(said))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
async def tuning_cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    """A cluster with a hub, whose torchtune image trains a model that is small enough."""
    model, rows = llama.write_model(tmp_path / "model"), llama.write_rows(tmp_path / "rows")
    repositories = {"models": {"acme/tiny": files(model)}, "datasets": {"acme/rows": files(rows)}}
    async with serving_hub(repositories) as hub:
        images = {"ghcr.io/kubeflow/trainer/torchtune-trainer": torchtune_for_the_tiny_model(tmp_path / "image")}
        with LocalCluster(tmp_path / "cluster", images=images, image_env={"HF_ENDPOINT": hub}) as cluster:
            yield cluster


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def torchtune_for_the_tiny_model(image: Path) -> Path:
    """An image whose `tune` adds what the SDK has no field for: the size of the model, and that there is no GPU."""
    overrides = {**llama.OVERRIDES, "device": "cpu", "optimizer": "torch.optim.AdamW", "max_steps_per_epoch": 2}
    added = [f"{key}={str(value).replace(chr(39), '')}" for key, value in overrides.items()]
    tune = Path(sys.prefix) / "bin" / "tune"
    script = image / "bin" / "tune"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec {shlex.join([str(tune)])} "$@" {shlex.join(added)}\n')
    script.chmod(0o755)
    return image


async def test_it_trains_a_function_on_two_nodes(cluster: LocalCluster) -> None:
    seen = await tell(cluster, "train_a_function")

    assert seen["frameworks"]["torch-distributed"] == "torch"
    assert seen["frameworks"]["torchtune-llama3.2-1b"] == "torchtune"
    assert seen["status"] == "Complete"
    assert seen["steps"] == {"node-0": "Succeeded", "node-1": "Succeeded"}
    assert "hello from 0 of 2" in seen["followed"]
    assert "hello from 1 of 2" in seen["logs"]["node-1"]
    assert {"Scheduled", "Started"} <= set(seen["events"])
    assert seen["listed"]
    assert not seen["left"]


async def test_it_fine_tunes_with_torchtune(tuning_cluster: LocalCluster) -> None:
    seen = await tell(tuning_cluster, "fine_tune")

    assert seen["status"] == "Complete", seen["logs"]
    assert seen["steps"] == dict.fromkeys(("dataset-initializer", "model-initializer", "node-0"), "Succeeded")
    assert [line for line in seen["logs"]["node-0"] if "Loss: " in line or "loss:" in line]
    assert not seen["left"]
