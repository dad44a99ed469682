"""``render``: the TrainJob that a task would create."""

from __future__ import annotations

import argparse
import sys

from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import write_json
from airflow_kubeflow_trainer.cli.tasks import rendered_task


def run(options: argparse.Namespace) -> int:
    """Print it as if its runtime were as Trainer ships it: no cluster is asked."""
    from airflow_kubeflow_trainer.operators.rendered import to_yaml

    operator, identity = rendered_task(options)
    manifest = operator.manifest(identity)
    if options.output == "json":
        write_json(manifest)
    else:
        sys.stdout.write(to_yaml(manifest))
    return Exit.DONE
