"""The same commands in Airflow's own command line."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from airflow.cli import cli_parser

from airflow_kubeflow_trainer.cli.commands import COMMANDS
from tests.local.cli.conftest import Run


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    return cli_parser.get_parser()


def carry_out(parser: argparse.ArgumentParser, *arguments: str) -> int:
    """Do what `airflow` does."""
    options: Any = parser.parse_args(["kubeflow-trainer", *arguments])
    with pytest.raises(SystemExit) as ended:
        options.func(options)
    return int(ended.value.code or 0)


def test_airflow_has_all_of_our_commands(parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["kubeflow-trainer", "--help"])

    said = capsys.readouterr().out
    assert all(command.name in said for command in COMMANDS)


def test_they_answer_and_exit_as_ours_do(
    run: Run, parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = run("runtimes", "--output", "json")

    assert carry_out(parser, "runtimes", "--output", "json") == ours.code == 0
    assert capsys.readouterr().out == ours.out
    assert carry_out(parser, "logs", "nothing") == 4
    assert 'logs: trainjobs.trainer.kubeflow.org "nothing" not found' in capsys.readouterr().err
