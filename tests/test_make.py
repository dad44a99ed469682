"""The Makefile's promises that cost nothing to hold it to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that is set up: all that `make` knows of it are times of files."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for made in (".build/bootstrap/bin/uv", ".venv/.synced"):
        (tmp_path / made).parent.mkdir(parents=True)
        (tmp_path / made).touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> str:
    command = ["make", "--no-print-directory", "-C", folder, *arguments]
    # `make test` hands its own arguments on in variables of these names.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "PYTHON"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_what_is_set_up_is_set_up_again_only_for_another_python(clone: Path) -> None:
    assert "uv sync" not in make(clone, "--dry-run", "setup")
    assert "--python python3.12" in make(clone, "--dry-run", "setup", "PYTHON=python3.12")


def test_make_alone_lists_every_target() -> None:
    listed = make(ROOT)

    for target in ("setup", "demo", "test", "lint", "bench", "docs", "clean"):
        assert f"make {target} " in listed
