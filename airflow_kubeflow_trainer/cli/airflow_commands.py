"""Our commands in Airflow's own command line: ``airflow kubeflow-trainer ps``. For Airflow 3.2 and later.

Every ``airflow`` command reads this, so it imports nothing of what a command needs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

from airflow_kubeflow_trainer.cli.commands import COMMANDS, Argument


def get_commands() -> list[GroupCommand]:
    """Give the group of our commands, as Airflow wants it."""
    commands = [
        ActionCommand(
            name=command.name,
            help=command.help.capitalize(),
            func=_carry_out(command.name),
            args=[_argument(argument) for argument in command.arguments],
        )
        for command in COMMANDS
    ]
    return [
        GroupCommand(name="kubeflow-trainer", help="Look after TrainJobs of Kubeflow Trainer", subcommands=commands)
    ]


def _argument(argument: Argument) -> Arg:
    return Arg(argument.flags, help=argument.help, **argument.settings)  # type: ignore[no-untyped-call]


def _carry_out(name: str) -> Callable[[argparse.Namespace], None]:
    def carry_out(options: argparse.Namespace) -> None:
        from airflow_kubeflow_trainer.cli.main import run

        # What a command returns is nothing to Airflow.
        sys.exit(run(name, options))

    return carry_out
