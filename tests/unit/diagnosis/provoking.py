"""Has real programs fail, as the modules of ``failing`` bring it about.

What they write is kept in recorded.json, since it takes minutes; ``python tests/unit/diagnosis/provoking.py`` writes it
anew, and has to be run where torch, TorchTune or a client has another version.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from diagnosis.failing import FAILURES

RECORDED = Path(__file__).with_name("recorded.json")


def provoke(group: str) -> dict[str, list[str]]:
    """Run the failures of a group, and give the lines that each wrote."""
    if group == "torch":
        # Once for all: the processes are forks of this one.
        import torchtune  # noqa: F401
    return {name: lines_of(function) for name, function in FAILURES[group].items()}


def lines_of(function: Callable[[], Any]) -> list[str]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        try:
            function()
        except SystemExit:
            pass
        except BaseException:  # noqa: BLE001
            sys.stdout.flush()
            # Not to sys.stderr, which may be a test's own.
            os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os.close(write)
    with os.fdopen(read, errors="replace") as output:
        lines = output.read().splitlines()
    os.waitpid(pid, 0)
    return lines


def main(groups: list[str]) -> None:
    """Write down what they write, without what is this machine's own."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    home = Path.cwd()
    for group in groups or [group for group in FAILURES if group != "python"]:
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.environ.update({"HF_HOME": folder, "HOME": folder, "HF_HUB_DISABLE_TELEMETRY": "1"})
        own = {folder: "/workspace", str(Path(__file__).parent): "/workspace"}
        own |= {sys.prefix: "/opt/venv", sys.base_prefix: "/usr/local"}
        for name, lines in provoke(group).items():
            recorded[name] = {"group": group, "lines": [_replaced(line, own) for line in lines[-250:]]}
        os.chdir(home)
        shutil.rmtree(folder)
    RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n")


def _replaced(text: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text[:1500]


if __name__ == "__main__":
    main(sys.argv[1:])
