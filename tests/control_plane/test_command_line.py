"""The command line against the real control plane."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_kubeflow_trainer.cli.main import main
from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from tests.control_plane.access import CLUSTER_ROLE, ROLE, service_account_token, without
from tests.control_plane.plane import ControlPlane

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(plane: ControlPlane, namespace: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, kubeconfig: Path = plane.kubeconfig) -> tuple[int, str, str]:
        code = main([*arguments, "--kubeconfig", str(kubeconfig), "--namespace", namespace])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def manifest(script: str, **metadata: str) -> dict[str, Any]:
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "shown", **metadata},
        "spec": {
            "runtimeRef": {"name": "torch-distributed"},
            "trainer": {"command": ["sh", "-c", script], "numProcPerNode": 1},
        },
    }


@pytest.mark.usefixtures("node")
def test_a_trainjob_is_followed_and_listed(plane: ControlPlane, namespace: str, run: Run) -> None:
    plane.call("create", TRAINJOBS.path(namespace=namespace), manifest("echo one; echo two"))

    followed = run("logs", "--follow", "shown")
    _, listed, _ = run("ps", "--all", "--output", "json")

    assert followed[:2] == (0, "one\ntwo\n")
    (row,) = json.loads(listed)
    assert (row["name"], row["phase"], row["runtime"]) == ("shown", "Succeeded", "torch-distributed")
    assert run("ps")[1:] == ("", "No TrainJobs; 1 have ended: see them with --all\n")


def test_all_runtimes_that_trainer_ships_are_listed(run: Run) -> None:
    code, out, _ = run("runtimes", "--output", "json")

    frameworks = {row["name"]: row["framework"] for row in json.loads(out)}
    assert code == 0
    assert frameworks["deepspeed-distributed"] == "deepspeed"
    assert frameworks["torchtune-qwen2.5-1.5b"] == "torchtune"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        pytest.param({}, 0, "would be admitted", id="good"),
        pytest.param({"name": "1-begins-with-a-digit"}, 1, "must match RFC 1035", id="the webhook's words"),
        pytest.param({"nmae": "x"}, 1, 'unknown field "metadata.nmae"', id="the schema's words"),
    ],
)
def test_a_trainjob_is_validated(run: Run, tmp_path: Path, change: dict[str, str], code: int, words: str) -> None:
    file = tmp_path / "trainjob.yaml"
    file.write_text(yaml.safe_dump(manifest("true", **change)))

    answer = run("validate", "--manifest", str(file))

    assert answer[0] == code, answer
    assert words in answer[1]
    assert run("ps", "--all", "--output", "json")[1] == "[]\n"


def test_a_permission_that_is_missing_is_named(plane: ControlPlane, namespace: str, run: Run, tmp_path: Path) -> None:
    token = service_account_token(plane, namespace, without(ROLE, "trainjobs", "list"), cluster_rules=CLUSTER_ROLE)
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(yaml.safe_dump(plane.kubeconfig_for(token)))

    code, out, err = run("ps", kubeconfig=kubeconfig)

    assert (code, out) == (3, "")
    assert 'cannot list resource "trainjobs"' in err
