"""What training through operator and local cluster costs, against the same TorchTune command run bare.

Both ways train the same model of three million weights on the same rows, one way and then the other. The time of the
training runs from TorchTune's first step to its last. The fixed overhead is the rest that the DAG run took, above the
rest that the bare command took: Airflow, the TrainJob's creation, initializers, pods, and the last look.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo.cluster import create_claim
from tests.tinymodel import llama

NAMESPACE = "default"
CLAIM = "models"
WORKSPACE = "/workspace"
STEP = "Step "
# A line has its time in front; now and then a piece of a progress bar stands between that and the step.
STEP_IN_POD = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d*Z .*Step \d+ \|", re.MULTILINE)


@dataclass(frozen=True)
class Training:
    """One training that has ended."""

    steps_seconds: float
    """From the first step's line to the last step's."""
    total_seconds: float
    """The bare command, or the DAG run, as a whole."""


@dataclass(frozen=True)
class Pod:
    """What the rank-0 pod ran, and when each step of it ended."""

    argv: list[str]
    env: dict[str, str]
    steps: list[float]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch, LocalCluster() as cluster:
        folder = Path(scratch)
        create_claim(cluster.kubeconfig, CLAIM)
        model = llama.write_model(folder / "workspace" / "model")
        dataset = llama.write_rows(folder / "workspace" / "dataset", count=4 * options.steps)
        airflow = _airflow(folder / "airflow", cluster.kubeconfig, model=model, dataset=dataset)
        pairs = []
        for number in range(options.rounds + 1):
            through, pod = run_through_operator(airflow, cluster.kubeconfig)
            bare = run_bare(pod, workspace=folder / "workspace")
            if number:  # the first of each fills caches
                pairs.append((bare, through))
    report(pairs, steps=options.steps)


def run_through_operator(environment: dict[str, str], kubeconfig: Path) -> tuple[Training, Pod]:
    """Train by a DAG run."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_training"], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"The DAG run failed:\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}")
    pod = asyncio.run(_take_pod(kubeconfig))
    return Training(pod.steps[-1] - pod.steps[0], json.loads(done.stdout.splitlines()[-1])["seconds"]), pod


def run_bare(pod: Pod, *, workspace: Path) -> Training:
    """Train by the command that the pod ran, with the paths of this machine."""
    (workspace / "output").mkdir(exist_ok=True)
    argv = [argument.replace(WORKSPACE, str(workspace)) for argument in pod.argv]
    binaries = Path(sys.executable).parent
    env = {**pod.env, "PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(workspace), "LANG": "C.UTF-8"}
    started = time.time()
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    log = [(time.time(), line) for line in process.stdout]
    if process.wait():
        sys.exit(f"{' '.join(argv)}\nfailed:\n{''.join(line for _, line in log[-20:])}")
    steps = [moment for moment, line in log if line.startswith(STEP)]
    return Training(steps[-1] - steps[0], time.time() - started)


def report(pairs: Sequence[tuple[Training, Training]], *, steps: int) -> None:
    """Print a row for each round, then the medians."""
    print(f"Training of {steps} steps, bare and through operator and local cluster, {len(pairs)} interleaved rounds\n")
    print(f"  {'bare s':>8}{'operator s':>12}{'ratio':>8}{'fixed overhead s':>19}")
    ratios, overheads = [], []
    for bare, through in pairs:
        ratios.append(through.steps_seconds / bare.steps_seconds)
        overheads.append((through.total_seconds - through.steps_seconds) - (bare.total_seconds - bare.steps_seconds))
        print(f"  {bare.steps_seconds:>8.2f}{through.steps_seconds:>12.2f}{ratios[-1]:>8.3f}{overheads[-1]:>19.1f}")
    print(f"  {'median':>8}{'':>12}{statistics.median(ratios):>8.3f}{statistics.median(overheads):>19.1f}")


async def _take_pod(kubeconfig: Path) -> Pod:
    """Read the trainer's pod of the one TrainJob that there is, then delete it: the next round has one again."""
    async with Client(await from_kubeconfig(kubeconfig)) as client:
        api = TrainJobApi(client, namespace=NAMESPACE)
        [trainjob] = (await client.get(TRAINJOBS.path(namespace=NAMESPACE)))["items"]
        [pod] = [pod for pod in await api.pods(trainjob["metadata"]["name"]) if "-node-0-0" in pod["metadata"]["name"]]
        container = pod["spec"]["containers"][0]
        async with api.stream_log(pod["metadata"]["name"], container=container["name"], timestamps=True) as chunks:
            # A progress bar may be cut within a character.
            text = b"".join([chunk async for chunk in chunks]).decode(errors="replace")
        await api.delete(trainjob["metadata"]["name"])
    env = {entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry}
    steps = [datetime.fromisoformat(f"{moment}+00:00").timestamp() for moment in STEP_IN_POD.findall(text)]
    return Pod([*container["command"], *container.get("args", [])], env, steps)


def _airflow(home: Path, kubeconfig: Path, *, model: Path, dataset: Path) -> dict[str, str]:
    """Make an Airflow with a database of its own; returns its environment."""
    dags = home / "dags"
    dags.mkdir(parents=True)
    (dags / "one_training.py").symlink_to(Path(__file__).with_name("one_training.py"))
    overrides: dict[str, Any] = llama.OVERRIDES
    settings = {"model": model.as_uri(), "dataset": dataset.as_uri(), "overrides": overrides, "claim": CLAIM}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(
            {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
        ),
        "ONE_TRAINING": json.dumps(settings),
    }
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True, capture_output=True)
    return environment


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="steps of each training (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
