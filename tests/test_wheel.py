"""What users install holds all that the package needs: the Training tab's files too, since nothing comes from a CDN."""

from __future__ import annotations

import configparser
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_kubeflow_trainer"
UV = os.environ.get("UV", str(ROOT / ".build" / "bootstrap" / "bin" / "uv"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], check=True)
    [file] = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    files = {str(file.relative_to(ROOT)) for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".pyc"}

    assert {name for name in wheel.namelist() if name.startswith(PACKAGE.name + "/")} == files
    assert len([name for name in files if "/ui/static/" in name]) > 10


def test_the_wheel_tells_airflow_of_the_provider_and_of_the_tab(wheel: zipfile.ZipFile) -> None:
    [listed] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    points = configparser.ConfigParser()
    points.read_string(wheel.read(listed).decode())

    assert {"apache_airflow_provider", "airflow.plugins"} <= set(points.sections())
