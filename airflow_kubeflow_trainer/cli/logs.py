"""``logs``: what a TrainJob's pods write."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from datetime import datetime

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import tell
from airflow_kubeflow_trainer.cli.trainers import trainer_job
from airflow_kubeflow_trainer.cluster import waiting
from airflow_kubeflow_trainer.cluster.log_lines import LogLine
from airflow_kubeflow_trainer.cluster.logs import read_log
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod


def run(options: argparse.Namespace) -> int:
    """Print a log, or follow it to the TrainJob's end."""
    write = _write_json if options.output == "json" else _write_text
    return ask(options, lambda api: _logs(api, options, write))


async def _logs(api: TrainJobApi, options: argparse.Namespace, write: Callable[[LogLine], None]) -> Exit:
    trainjob = await api.get(options.name)
    trainer = await trainer_job(api, trainjob)
    if options.follow and options.step in (None, f"{trainer}-0"):
        return await _follow(api, options.name, trainer, write)
    job, index = _place(options.step or f"{trainer}-0")
    pods = [Pod.from_object(pod) for pod in await api.pods(options.name)]
    wanted = [pod for pod in pods if (pod.job, pod.index) == (job, index)]
    if not wanted:
        there_are = ", ".join(sorted({_step(pod, trainer) for pod in pods})) or "none (any more)"
        tell(f"logs: TrainJob {options.name} has no pod of step {job}-{index}; its steps: {there_are}")
        return Exit.NOT_FOUND
    async for line in read_log(api, max(wanted, key=lambda pod: pod.created_at), follow=options.follow):
        write(line)
    return Exit.DONE


async def _follow(api: TrainJobApi, name: str, trainer: str, write: Callable[[LogLine], None]) -> Exit:
    teller = _Teller(write)
    following = asyncio.ensure_future(waiting.wait(api, WaitSpec(name=name, trainer_job=trainer), teller))
    teller.on_broken_pipe = following.cancel
    try:
        outcome = await following
    except asyncio.CancelledError:
        if teller.broken is not None:
            raise teller.broken from None
        raise
    if outcome.diagnosis is None:
        return Exit.DONE
    tell(f"logs: {outcome.diagnosis}")
    return Exit.NO


class _Teller:
    """Writes the training's lines to standard output, and all else to standard error."""

    def __init__(self, write: Callable[[LogLine], None]) -> None:
        self.broken: BrokenPipeError | None = None
        self.on_broken_pipe: Callable[[], object] = lambda: None
        self._write = write

    def line(self, line: LogLine) -> None:
        try:
            self._write(line)
        except BrokenPipeError as error:
            # Raised here, it would be one pod's log that cannot be read, and the waiting would go on.
            self.broken = error
            self.on_broken_pipe()

    async def drain(self) -> None:
        pass

    def phase(self, report: PhaseReport) -> None:
        tell(f"# {report}")

    def note(self, text: str, at: datetime | None = None) -> None:
        tell(f"# {text}")

    def warning(self, text: str) -> None:
        tell(f"# {text}")


def _place(step: str) -> tuple[str, int]:
    """Read a step as the Kubeflow SDK names them: ``node-1``, ``dataset-initializer``."""
    job, _, index = step.rpartition("-")
    return (job, int(index)) if job and index.isdecimal() else (step, 0)


def _step(pod: Pod, trainer: str) -> str:
    return f"{pod.job}-{pod.index}" if pod.job == trainer else pod.job


def _write_text(line: LogLine) -> None:
    sys.stdout.write(f"[{line.step}] {line.raw}\n" if line.step else f"{line.raw}\n")
    sys.stdout.flush()


def _write_json(line: LogLine) -> None:
    entry = {"timestamp": line.timestamp.isoformat(), "pod": line.pod, "text": line.raw}
    sys.stdout.write(f"{json.dumps(entry, ensure_ascii=False)}\n")
    sys.stdout.flush()
