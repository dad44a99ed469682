"""`python -m demo`: see the package. With `--keep`, or KEEP=1, Airflow and the cluster stay up until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from httpx import HTTPError

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from demo import answers, chart, cluster, finetuning, model, rows, training_log
from demo.airflow_stack import AirflowStack
from demo.finetuning import CLAIM, DAG_ID, STEPS, TASK_ID, Finetuning, FinetuningError
from demo.screen import Screen

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".build"
ROWS = 200
QUESTIONS = 2
LOG_LINES_ON_FAILURE = 40


@dataclass(frozen=True)
class Prepared:
    """What is there before the DAG runs."""

    model: Path
    dataset: Path
    rows: list[rows.Row]
    cuda: bool


def main() -> int:
    """Run the demo; returns the exit code, 0 only if the training happened and the loss fell."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen = Screen()
    folder = BUILD / "demo"
    try:
        with _alone(folder), ExitStack() as cleanup:
            _demo(folder, screen=screen, cleanup=cleanup, keep=options.keep)
    except KeyboardInterrupt:
        screen.say("stopped")
        return 130
    except (RuntimeError, OSError, HTTPError) as error:
        screen.plain(f"\nThe demo failed: {error}\nLogs are under {_short(folder)}")
        return 1
    return 0


def _demo(folder: Path, *, screen: Screen, cleanup: ExitStack, keep: bool) -> None:
    began = time.time()
    screen.say("Airflow fine-tunes SmolLM2-135M-Instruct through a TrainJob, on this machine")
    with ThreadPoolExecutor(max_workers=1) as worker:
        preparing = worker.submit(_prepare, folder, screen)
        with screen.part("local Kubernetes cluster"):
            local = cleanup.enter_context(LocalCluster(folder / "cluster"))
            cluster.create_claim(local.kubeconfig, CLAIM)
        screen.say(f"the local cluster is up at {local.server}; its kubeconfig is {_short(local.kubeconfig)}")
        airflow = _start_airflow(folder, local.kubeconfig, screen=screen, cleanup=cleanup)
        prepared = _result(preparing, screen)
    conf = finetuning.parameters(model=prepared.model, dataset=prepared.dataset, cuda=prepared.cuda)
    run_id = airflow.api.trigger(DAG_ID, conf=conf)
    screen.say(f"DAG {DAG_ID} is triggered: {STEPS} steps of LoRA on the {'GPU' if prepared.cuda else 'CPU'}")
    with screen.part("the task, from trigger to end"):
        run = finetuning.follow(airflow.api, run_id, screen=screen)
    _note_phases(run, screen)
    adapter = _check(run, airflow, folder / "cluster", began=began)
    _report(run, adapter, prepared, folder=folder, screen=screen)
    if keep:
        _wait_for_the_user(airflow, run_id, local.kubeconfig, screen)


def _prepare(folder: Path, screen: Screen) -> Prepared:
    started = time.monotonic()
    picked = rows.pick(ROWS)
    dataset = rows.write(picked, folder / "dataset").parent
    smollm2 = model.prepare(BUILD / "cache", progress=lambda text: screen.say(f"model: {text}"))
    # Seconds, in the shadow of Airflow's start.
    import torch

    prepared = Prepared(model=smollm2, dataset=dataset, rows=picked, cuda=torch.cuda.is_available())
    screen.took("model and rows", time.monotonic() - started)
    return prepared


def _start_airflow(folder: Path, kubeconfig: Path, *, screen: Screen, cleanup: ExitStack) -> AirflowStack:
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
    airflow = AirflowStack(
        home=folder / "airflow",
        dags=ROOT / "dags",
        env={"AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection)},
    )
    with screen.part("Airflow"):
        screen.say("starting Airflow: scheduler, triggerer, DAG processor, API server")
        cleanup.enter_context(airflow)
        airflow.wait_for_dag(DAG_ID)
    screen.say(f"Airflow is up at {airflow.url}")
    return airflow


def _result(preparing: Future[Prepared], screen: Screen) -> Prepared:
    if not preparing.done():
        screen.say("waiting for the model")
    return preparing.result()


def _note_phases(run: Finetuning, screen: Screen) -> None:
    for name, begin, end in (
        ("    model and rows into the TrainJob's volume", "Initializing", "Running"),
        ("    training, with TorchTune's start and save", "Running", "Succeeded"),
    ):
        seconds = run.seconds(begin, end)
        if seconds is not None:
            screen.took(name, seconds)


def _check(run: Finetuning, airflow: AirflowStack, cluster_folder: Path, *, began: float) -> Path:
    """Give the adapter's file, or say why this was no training."""
    if run.state != "success":
        tail = "\n".join(line.text for line in run.lines[-LOG_LINES_ON_FAILURE:])
        raise FinetuningError(f"task {TASK_ID} ended as {run.state}. The end of its log:\n{tail}")
    if len(run.losses) != STEPS:
        raise FinetuningError(f"the log has the loss of {len(run.losses)} steps, not of {STEPS}")
    first, last = training_log.first_and_last(run.losses)
    if not last < first:
        raise FinetuningError(f"the loss did not fall: {first:.3f} in the first five steps, {last:.3f} in the last")
    result: dict[str, str] = airflow.api.xcom(DAG_ID, run.run_id, TASK_ID, "return_value")
    kept = cluster.volume(cluster_folder, result["claim_name"]) / result["sub_path"]
    adapters = sorted(kept.glob("**/adapter_model.safetensors"))
    if not adapters or adapters[-1].stat().st_mtime < began:
        raise FinetuningError(f"there is no new adapter under {kept}")
    return adapters[-1]


def _report(run: Finetuning, adapter: Path, prepared: Prepared, *, folder: Path, screen: Screen) -> None:
    questions = [row.instruction for row in prepared.rows[:QUESTIONS]]
    screen.say("asking the model before and after")
    with screen.part("answers before and after"):
        said = answers.ask(questions, model=prepared.model, adapter=adapter.with_suffix(".pt"))
    picture = chart.draw(run.losses, folder / "loss.png", title="SmolLM2-135M-Instruct learns, LoRA, batches of 4")
    for answer in said:
        screen.plain(f"\n  Question  {answer.question}\n  before    {answer.before}\n  after     {answer.after}")
    first, last = training_log.first_and_last(run.losses)
    screen.plain(f"\nLoss     {first:.3f} (mean of the first five steps) -> {last:.3f} (of the last five)")
    screen.plain(f"Curve    {_short(picture)}")
    screen.plain(f"Adapter  {_short(adapter)} ({adapter.stat().st_size / 1e6:.1f} MB)\n")
    screen.table()


def _wait_for_the_user(airflow: AirflowStack, run_id: str, kubeconfig: Path, screen: Screen) -> None:
    links = airflow.api.links(DAG_ID, run_id, finetuning.TASK_ID)
    screen.plain(
        f"\nAirflow  {airflow.url}\nLogin    {airflow.username}  {airflow.password}"
        f"\nCluster  export KUBECONFIG={kubeconfig}"
        f"\nTraining {links['Training']}\n\nCtrl-C ends both."
    )
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()
    screen.say("stopping Airflow and the cluster")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, emptied of an earlier demo, for one demo at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"another demo runs in {folder}") from None
        for earlier in ("airflow", "cluster", "dataset"):
            shutil.rmtree(folder / earlier, ignore_errors=True)
        yield


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Airflow fine-tunes a real LLM on this machine."
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in ("", "0"),
        help="leave Airflow and the cluster up, and print address and login (also KEEP=1)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
