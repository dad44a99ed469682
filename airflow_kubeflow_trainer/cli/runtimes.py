"""``runtimes``: what a TrainJob's ``runtime`` can be."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import age, tell, write_json, write_table
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

FRAMEWORK_LABEL = "trainer.kubeflow.org/framework"
_COLUMNS = ("NAME", "KIND", "FRAMEWORK", "NODES", "RESOURCES OF A NODE", "STEPS", "AGE")


def run(options: argparse.Namespace) -> int:
    """List runtimes: the cluster's, then the namespace's own."""
    rows = [_row(runtime) for runtime in ask(options, lambda api: api.list_runtimes())]
    if options.output == "json":
        write_json(rows)
    elif rows:
        write_table(_COLUMNS, (_cells(row) for row in rows))
    else:
        tell("No runtimes: install Trainer's (manifests/overlays/runtimes), or one of your own")
    return Exit.DONE


def _row(runtime: Mapping[str, Any]) -> dict[str, Any]:
    view, metadata = RuntimeView.from_object(runtime), runtime["metadata"]
    return {
        "name": view.name,
        "kind": view.kind,
        "framework": (metadata.get("labels") or {}).get(FRAMEWORK_LABEL),
        "nodes": (runtime["spec"].get("mlPolicy") or {}).get("numNodes", 1),
        "resources_per_node": view.resources,
        "steps": [job.name for job in view.jobs],
        "created": metadata["creationTimestamp"],
    }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    resources = row["resources_per_node"].get("limits") or row["resources_per_node"].get("requests") or {}
    return (
        row["name"],
        row["kind"],
        row["framework"] or "",
        str(row["nodes"]),
        ", ".join(f"{name}: {amount}" for name, amount in resources.items()),
        ", ".join(row["steps"]),
        age(row["created"]),
    )
