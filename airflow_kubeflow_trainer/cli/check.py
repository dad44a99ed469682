"""``check``: whether a cluster can run TrainJobs, and what is missing."""

from __future__ import annotations

import argparse
import dataclasses

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import write_json
from airflow_kubeflow_trainer.cluster import checking
from airflow_kubeflow_trainer.cluster.checking import Finding
from airflow_kubeflow_trainer.hooks import DEFAULT_CONN_ID


def run(options: argparse.Namespace) -> int:
    """Say what was found."""
    if options.conn_id is None and options.kubeconfig is None and options.context is None:
        options.conn_id = DEFAULT_CONN_ID
    findings = ask(options, checking.check)
    if options.output == "json":
        write_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"[{_mark(finding)}] {finding.text}")
    return Exit.NO if any(finding.needed and not finding.good for finding in findings) else Exit.DONE


def _mark(finding: Finding) -> str:
    return "ok" if finding.good else "no" if finding.needed else "??"
