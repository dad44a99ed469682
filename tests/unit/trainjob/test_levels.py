"""Warnings and errors of a training keep their level in the task's log."""

from __future__ import annotations

import io
import logging
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.levels import level_of

INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR


@pytest.mark.parametrize(
    ("text", "level"),
    [
        pytest.param("1|12|Loss: 1.79:  48%|####8     | 12/25", INFO, id="progress"),
        pytest.param("Setting manual seed to local seed 3144168197.", INFO, id="words"),
        pytest.param("ERROR: No matching distribution found for peft", ERROR, id="pip"),
        pytest.param("2026-11-28 10:00:00,123 - trainer - WARNING - no shuffle", WARNING, id="logging's usual form"),
        pytest.param("[2026-11-28 10:00:00] [ERROR] disk", ERROR, id="in brackets"),
        pytest.param("10:00:00 | WARNING  | loguru", WARNING, id="in columns"),
        pytest.param("INFO:trainer:ERROR: is only quoted here", INFO, id="the first counts"),
        pytest.param("W1128 16:52:36.883000 28752 torch/distributed/run.py:874] x", WARNING, id="torch's logger"),
        pytest.param("[rank1]:[E1003 18:37:01.832 ProcessGroupNCCL.cpp:607] Watchdog", ERROR, id="native code"),
        pytest.param("/opt/a.py:12: FutureWarning: old", WARNING, id="the module warnings"),
        pytest.param('{"ts": 1, "level": "warning", "msg": "x"}', WARNING, id="JSON"),
        pytest.param("Traceback (most recent call last):", ERROR, id="a traceback's head"),
        pytest.param("[rank0]: torch.OutOfMemoryError: CUDA out of memory.", ERROR, id="an exception"),
        pytest.param("The ERROR rate of the validation is 5 %", INFO, id="a word among others"),
        pytest.param("error: 0.12 loss: 0.3", INFO, id="a metric"),
    ],
)
def test_a_line_has_the_level_that_its_program_gave_it(text: str, level: int) -> None:
    assert level_of(text) == level


@pytest.mark.parametrize(
    "form",
    [
        logging.BASIC_FORMAT,
        "%(asctime)s %(levelname)s %(name)s: %(message)s",
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
        "[%(levelname)s] %(message)s",
        "%(levelname)-8s %(name)s %(message)s",
    ],
)
@pytest.mark.parametrize("level", [INFO, WARNING, ERROR])
def test_what_pythons_logging_writes_has_its_level(form: str, level: int) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(form))
    handler.handle(logging.LogRecord("trainer.data", level, __file__, 1, "no shuffle", None, None))

    assert level_of(stream.getvalue().rstrip("\n")) == level


def test_a_warning_of_python_has_its_level() -> None:
    assert level_of(warnings.formatwarning("old", DeprecationWarning, "/opt/a.py", 3).splitlines()[0]) == WARNING


@given(text=st.text())
def test_every_line_has_a_level(text: str) -> None:
    assert level_of(text) in (INFO, WARNING, ERROR)
