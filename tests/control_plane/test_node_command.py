"""What `local kubelet` says where it cannot be a node: one line that names the option and the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane

pytestmark = pytest.mark.timeout(120)

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:1", certificate-authority-data: "{authority}"}}}}]
users: [{{name: u, user: {{token: t}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: {context}
"""
NO_SUCH_CONTEXT = KUBECONFIG.format(authority="", context="y")
NO_CERTIFICATE = KUBECONFIG.format(authority="aGVsbG8=", context="x")


def refusal(*options: str) -> str:
    command = [sys.executable, "-m", "airflow_kubeflow_trainer.local", "kubelet", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done
    [line] = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "there is no file", id="no file"),
        pytest.param("{", "cannot be used", id="no YAML"),
        pytest.param("- a list", "needs clusters", id="a list"),
        pytest.param("apiVersion: v1", "needs clusters", id="no kubeconfig"),
        pytest.param("", "needs clusters", id="empty"),
        pytest.param(NO_SUCH_CONTEXT, "a current-context that is one of them", id="no such context"),
        pytest.param(NO_CERTIFICATE, "no certificate", id="an authority that is no certificate"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)

    line = refusal("--kubeconfig", str(file), "--dir", str(tmp_path / "node"))

    assert line.startswith("--kubeconfig: ")
    assert str(file) in line
    assert words in line


def test_a_token_that_the_cluster_does_not_know(plane: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(plane.kubeconfig_for("wrong")))

    line = refusal("--kubeconfig", str(file), "--dir", str(tmp_path / "node"))

    assert line == f"--kubeconfig: the cluster at {plane.server} does not take the credentials of {file}"


def test_an_authority_that_is_none(plane: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("no certificate")

    line = refusal("--kubeconfig", str(plane.kubeconfig), "--dir", str(tmp_path / "node"), "--client-ca", str(file))

    assert line.startswith(f"--client-ca: {file} cannot be used")


def test_a_folder_that_a_node_is_using(plane: ControlPlane, tmp_path: Path) -> None:
    with kubelet(plane, tmp_path, name="first"):
        line = refusal("--kubeconfig", str(plane.kubeconfig), "--dir", str(tmp_path), "--name", "other")
    plane.call("delete", "/api/v1/nodes/first")

    assert line == f"a cluster or a node is already running in {tmp_path}"
