"""All commands and their arguments, as data: for our own parser, and for Airflow's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One argument of a command; ``settings`` are those of argparse's ``add_argument``."""

    flags: tuple[str, ...]
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """One command; ``airflow_kubeflow_trainer.cli.<name>`` carries it out."""

    name: str
    help: str
    arguments: tuple[Argument, ...]


def _output(*formats: str, words: str) -> Argument:
    return Argument(("-o", "--output"), f"{words} (default: {formats[0]})", {"choices": formats, "default": formats[0]})


_TABLE = _output("table", "json", words="how the answer is written")
_CONN_ID = Argument(("--conn-id",), "the cluster of this Airflow connection", {"metavar": "CONN_ID"})
_KUBECONFIG = (
    Argument(
        ("--kubeconfig",), "kubeconfig of the cluster (default: KUBECONFIG, else ~/.kube/config)", {"metavar": "FILE"}
    ),
    Argument(("--context",), "context of the kubeconfig (default: its current one)", {"metavar": "NAME"}),
    Argument(("-n", "--namespace"), "namespace (default: the context's or connection's)", {"metavar": "NAME"}),
)
_CLUSTER = (*_KUBECONFIG, _CONN_ID)
_NAME = Argument(("name",), "name of a TrainJob", {"metavar": "NAME"})
_TASK = (
    Argument(("--dag-file",), "read this file, in place of Airflow's DAG bundles", {"metavar": "FILE"}),
    Argument(("--map-index",), "which one of a mapped task (default: 0)", {"type": int, "metavar": "N"}),
    Argument(("--run-id",), "what {{ run_id }} is (default: dry_run)", {"default": "dry_run", "metavar": "ID"}),
    Argument(("--logical-date",), "what {{ logical_date }} is (default: now)", {"metavar": "DATE"}),
    Argument(("--conf",), "the run's conf, which sets params, as JSON", {"metavar": "JSON"}),
)
_DAG_ID = Argument(("dag_id",), "id of the DAG", {"metavar": "DAG_ID"})
_TASK_ID = Argument(("task_id",), "id of the task", {"metavar": "TASK_ID"})

COMMANDS = (
    Command(
        "check",
        "tell whether a cluster can run TrainJobs",
        (
            Argument(
                ("conn_id",),
                "Airflow connection of the cluster (default: kubernetes_default, unless a kubeconfig is named)",
                {"nargs": "?", "metavar": "CONN_ID"},
            ),
            *_KUBECONFIG,
            _TABLE,
        ),
    ),
    Command(
        "ps",
        "list TrainJobs that have not ended",
        (
            Argument(("-a", "--all"), "those that have ended, too", {"action": "store_true"}),
            Argument(("-l", "--selector"), "only those with these labels", {"metavar": "LABELS"}),
            *_CLUSTER,
            _TABLE,
        ),
    ),
    Command(
        "logs",
        "print the log of a TrainJob's rank 0, or of another of its pods",
        (
            _NAME,
            Argument(
                ("-f", "--follow"),
                "go on until the TrainJob has ended, through restarts; fails if it fails",
                {"action": "store_true"},
            ),
            Argument(
                ("--step",), "whose log: node-1, dataset-initializer, ... (default: rank 0's)", {"metavar": "STEP"}
            ),
            *_CLUSTER,
            _output("text", "json", words="lines as they are, or one JSON object for each"),
        ),
    ),
    Command(
        "diagnose",
        "tell why a TrainJob failed, or does not start, and what to do; fails where it did or does not",
        (_NAME, *_CLUSTER, _output("text", "json", words="how the answer is written")),
    ),
    Command("runtimes", "list the runtimes that TrainJobs can use", (*_CLUSTER, _TABLE)),
    Command(
        "render",
        "print the TrainJob that a task would create",
        (_DAG_ID, _TASK_ID, *_TASK, _output("yaml", "json", words="how the TrainJob is written")),
    ),
    Command(
        "validate",
        "ask a cluster whether it would admit a task's TrainJob, or one in a file; nothing is created",
        (
            *(Argument(one.flags, one.help, {**one.settings, "nargs": "?"}) for one in (_DAG_ID, _TASK_ID)),
            Argument(
                ("--manifest",), "file of a TrainJob in place of a task; - is standard input", {"metavar": "FILE"}
            ),
            *_TASK,
            *_CLUSTER,
            _TABLE,
        ),
    ),
    Command(
        "cleanup",
        "list TrainJobs whose task is over, by Airflow's database, and with --yes end them",
        (
            Argument(("-y", "--yes"), "end them, as each task's on_kill_action says", {"action": "store_true"}),
            Argument(
                ("--older-than",),
                "leave younger ones alone (default: 600 seconds)",
                {"type": float, "default": 600.0, "metavar": "SECONDS"},
            ),
            Argument(
                ("--unknown-too",),
                "those of tasks that this Airflow does not know, too; not where another one uses the namespace",
                {"action": "store_true"},
            ),
            Argument(
                ("--claims",),
                "retained claims whose TrainJob is gone, too, and what was trained there",
                {"action": "store_true"},
            ),
            *_CLUSTER,
            _TABLE,
        ),
    ),
)
