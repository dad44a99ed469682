"""``python -m airflow_kubeflow_trainer check CONN_ID``: whether a connection's cluster can run TrainJobs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 1 where no TrainJob can run."""
    parser = argparse.ArgumentParser(prog="python -m airflow_kubeflow_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="tell whether a connection's cluster can run TrainJobs")
    check.add_argument("conn_id", nargs="?", default="kubernetes_default", help="(default: %(default)s)")
    check.add_argument("--namespace", help="where TrainJobs are to run (default: the connection's)")
    options = parser.parse_args(arguments)
    return _check(options.conn_id, options.namespace)


def _check(conn_id: str, namespace: str | None) -> int:
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

    try:
        findings = KubeflowTrainerHook(conn_id, namespace=namespace).check()
    except KubeflowTrainerError as error:
        print(f"[no] {error}", file=sys.stderr)
        return 1
    for finding in findings:
        print(f"[{'ok' if finding.good else 'no' if finding.needed else '??'}] {finding.text}")
    return int(any(finding.needed and not finding.good for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
