"""packages_to_install, with a real pip and an index in a folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.local.custom.running import call, run


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image's Python, with pip."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An index with one package of one module."""
    folder = tmp_path_factory.mktemp("index")
    wheel = "tiny_package-1.0-py3-none-any.whl"
    project = folder / "tiny-package"
    project.mkdir()
    (project / "index.html").write_text(f'<a href="{wheel}">{wheel}</a>')
    with zipfile.ZipFile(project / wheel, "w") as archive:
        archive.writestr("tiny_package.py", "ANSWER = 42\n")
        info = "tiny_package-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder.as_uri()


def train() -> int:
    from tiny_package import ANSWER

    return ANSWER


def test_packages_are_there_when_the_function_runs(tmp_path: Path, environment: Path, index: str) -> None:
    ended = run(tmp_path, call(train), path=environment, packages=["tiny-package>=1,<2"], index_urls=[index])

    assert ended.result == 42


def test_a_package_that_there_is_not_fails_the_training_by_its_name(
    tmp_path: Path, environment: Path, index: str
) -> None:
    ended = run(tmp_path, call(train), path=environment, packages=["tiny-package==9"], index_urls=[index])

    assert ended.code == 1
    assert ended.message.startswith("packages_to_install: pip could not install tiny-package==9")
    assert "No matching distribution found for tiny-package==9" in ended.err
