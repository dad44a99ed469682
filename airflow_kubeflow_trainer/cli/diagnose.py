"""``diagnose``: why a TrainJob failed, or does not start."""

from __future__ import annotations

import argparse
import dataclasses
import textwrap

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import write_json
from airflow_kubeflow_trainer.cli.trainers import trainer_job
from airflow_kubeflow_trainer.cluster.diagnosing import Examination, examine
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi

TAIL_LINES = 20


def run(options: argparse.Namespace) -> int:
    """Say what was found."""
    found = ask(options, lambda api: _examine(api, options.name))
    if options.output == "json":
        write_json(
            {
                "phase": found.report.phase.value,
                "diagnosis": dataclasses.asdict(found.diagnosis) if found.diagnosis is not None else None,
                "log_tail": found.log_tail[-TAIL_LINES:],
            }
        )
    else:
        _write_text(found)
    return Exit.DONE if found.diagnosis is None else Exit.NO


async def _examine(api: TrainJobApi, name: str) -> Examination:
    return await examine(api, name, trainer_job=await trainer_job(api, await api.get(name)))


def _write_text(found: Examination) -> None:
    diagnosis = found.diagnosis
    if diagnosis is None:
        print(f"{found.report.phase}: nothing is wrong that can be seen")
        return
    print(f"{diagnosis.message}.")
    if diagnosis.remedy:
        print(f"\nWhat to do: {diagnosis.remedy}.")
    for title, lines in (("Evidence", diagnosis.evidence), ("Last lines of its log", found.log_tail[-TAIL_LINES:])):
        if lines:
            print(f"\n{title}:\n{textwrap.indent(chr(10).join(lines), '  ')}")
