"""The processes of a stack end together, and the loss is found in what TorchTune prints."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from demo import training_log
from demo.airflow_api import wait_until
from demo.processes import ProcessError, ProcessFamily

# A grandchild in a session of its own, whose parent is gone at once.
ORPHAN = """
import os, time
if os.fork():
    time.sleep(600)
elif os.fork() == 0:
    os.setsid()
    time.sleep(600)
"""


@pytest.fixture
def family(tmp_path: Path) -> ProcessFamily:
    return ProcessFamily(marker="AIRFLOW_HOME", value=str(tmp_path), logs=tmp_path / "logs")


def test_stopping_ends_orphans_in_sessions_of_their_own_too(family: ProcessFamily, tmp_path: Path) -> None:
    family.start("parent", [sys.executable, "-c", ORPHAN], env=os.environ)
    wait_until(family.members, lambda members: len(members) == 2, what="parent and orphan", timeout=20)
    later = ProcessFamily(marker="AIRFLOW_HOME", value=str(tmp_path), logs=tmp_path / "logs")

    family.stop()

    assert later.members() == []


def test_a_process_that_ended_is_told_with_the_end_of_its_log(family: ProcessFamily) -> None:
    family.start("broken", [sys.executable, "-c", "raise SystemExit('no such port')"], env=os.environ)

    with pytest.raises(ProcessError, match=r"(?s)broken ended with exit code 1.*no such port"):
        wait_until(family.check, lambda _: False, what="an error", timeout=20)


def test_the_loss_of_a_step_is_read_from_the_bar_until_the_metrics_come() -> None:
    lines = ["1|1|Loss: 3.25:  50%|#####", "Step 1 | loss:3.2519 lr:0.001", "1|2|Loss: 1e-3: 100%|##########"]

    assert training_log.losses(lines) == {1: 3.2519, 2: 0.001}
