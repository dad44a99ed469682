"""Parsing the command line, and turning whatever ends a command into an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from airflow_kubeflow_trainer.cli.commands import COMMANDS
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ClusterUnreachableError,
    ConfigError,
    KubeflowTrainerError,
    NotFoundError,
)

PROGRAM = "python -m airflow_kubeflow_trainer"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="TrainJobs of Kubeflow Trainer, and DAGs that make them."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=f"{command.help}.".capitalize())
        for argument in command.arguments:
            subparser.add_argument(*argument.flags, help=argument.help, **argument.settings)
    options = parser.parse_args(arguments)
    return run(options.command, options)


def run(name: str, options: argparse.Namespace) -> int:
    """Carry out a command that has been parsed."""
    try:
        module = importlib.import_module(f"airflow_kubeflow_trainer.cli.{name}")
        code = int(module.run(options))
        # Here, where it can be handled, and not when the interpreter ends.
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever reads (head, less) has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (KubeflowTrainerError, OSError) as error:
        print(f"{name}: {_words(error)}", file=sys.stderr)
        return _exit_of(error)
    return code


def _exit_of(error: Exception) -> Exit:
    if isinstance(error, NotFoundError) and error.details.get("name"):
        return Exit.NOT_FOUND
    if isinstance(error, ApiError | ClusterUnreachableError):
        return Exit.NO_ANSWER
    if isinstance(error, ConfigError | OSError):
        return Exit.USAGE
    return Exit.NO


def _words(error: Exception) -> str:
    if isinstance(error, NotFoundError) and not error.details.get("name"):
        return "the cluster does not serve Kubeflow Trainer v2: is it installed?"
    return error.message if isinstance(error, ApiError) and error.message else str(error)
