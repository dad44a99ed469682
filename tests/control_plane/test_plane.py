"""The control plane of the tests itself: who may do what in it, and that it ends with the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.exceptions import ForbiddenError
from demo.airflow_api import wait_until
from tests.control_plane import programs
from tests.control_plane.access import service_account_token
from tests.control_plane.plane import ControlPlane
from tests.control_plane.programs import ROOT, ControlPlaneError

STARTS_AND_WAITS = """
import pathlib, sys, time
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
folder = pathlib.Path(sys.argv[1])
with ControlPlane(folder / "plane") as plane, kubelet(plane, folder / "node"):
    print("up", flush=True)
    time.sleep(1000)
"""


async def test_a_service_account_may_do_what_its_role_says_and_no_more(plane: ControlPlane, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    token = service_account_token(plane, namespace, rules)

    async with plane.client(token) as client:
        assert (await client.get(f"/api/v1/namespaces/{namespace}/pods"))["items"] == []
        with pytest.raises(ForbiddenError, match=f"system:serviceaccount:{namespace}:airflow.*cannot list.*secrets"):
            await client.get(f"/api/v1/namespaces/{namespace}/secrets")
        with pytest.raises(ForbiddenError):
            await client.get("/api/v1/namespaces/default/pods")


@pytest.mark.timeout(120)
def test_nothing_is_left_of_tests_that_are_killed(tmp_path: Path) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", STARTS_AND_WAITS, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert tests.stdout is not None
    assert tests.stdout.readline() == "up\n"
    assert len(processes_of(tmp_path)) == 7  # the tests, five programs and the kubelet

    os.kill(tests.pid, signal.SIGKILL)
    tests.communicate(timeout=10)

    wait_until(lambda: processes_of(tmp_path), lambda seen: seen == [], what="no process", timeout=30, interval=0.1)


def test_a_machine_without_go_is_told_so(tmp_path: Path) -> None:
    build = Path(__file__).with_name("build.sh")

    done = subprocess.run(
        ["/bin/bash", str(build), str(tmp_path / "out")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "Go (1.26 or newer)" in line
    assert "https://go.dev/doc/install" in line


def test_a_control_plane_that_is_not_built_says_how_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "BUILT", tmp_path)

    with pytest.raises(ControlPlaneError, match="make control-plane"):
        ControlPlane(tmp_path)


def test_a_program_that_does_not_start_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, script in (("server", "echo the disk is full; exit 3"), ("kube-apiserver", "exec sleep 1000")):
        file = tmp_path / "bin" / program
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setattr(programs, "BUILT", tmp_path)

    with (
        pytest.raises(ControlPlaneError, match="server ended with exit code 3\nthe disk is full"),
        ControlPlane(tmp_path),
    ):
        pass

    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
    """The command lines that name a folder."""
    mark = str(folder).encode()
    lines = (_command_line(process) for process in Path("/proc").glob("[0-9]*"))
    return [line.replace(b"\0", b" ").decode() for line in lines if mark in line]


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
