"""The Role that the documentation gives is enough, and what is missing in a smaller one is named or does no harm."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError, UserCodeError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from tests.control_plane.access import service_account_token
from tests.control_plane.plane import ControlPlane
from tests.shell_operator import ShellOperator, Task

PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()
ROLE, CLUSTER_ROLE = (yaml.safe_load(block)["rules"] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]

Run = Callable[..., Any]


def without(rules: list[dict[str, Any]], resource: str, verb: str) -> list[dict[str, Any]]:
    """The rules without one permission."""
    fewer = copy.deepcopy(rules)
    for rule in fewer:
        if resource in rule["resources"]:
            rule["verbs"].remove(verb)
    return [rule for rule in fewer if rule["verbs"]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What the task's log and that of the process say: the one goes to the standard output here."""
    caplog.set_level(logging.INFO)
    return lambda: capsys.readouterr().out + caplog.text


@pytest.fixture
def run(plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a task as somebody who lacks one permission, or none."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)

    def run(script: str = "echo hello", *, lacks: tuple[str, str] | None = None, **kwargs: Any) -> Any:
        role, cluster_role = ROLE, CLUSTER_ROLE
        if lacks is not None:
            role, cluster_role = without(ROLE, *lacks), without(CLUSTER_ROLE, *lacks)
        token = service_account_token(plane, namespace, role, cluster_rules=cluster_role)
        extra = {"kube_config": plane.kubeconfig_for(token), "namespace": namespace}
        monkeypatch.setenv("AIRFLOW_CONN_LIMITED", json.dumps({"conn_type": "kubernetes", "extra": extra}))
        with DAG(f"d_{uuid4().hex}"):
            operator = ShellOperator(
                task_id="t", script=script, kubernetes_conn_id="limited", deferrable=False, **kwargs
            )
        return operator.execute(Task().context())

    return run


def test_the_documented_role_is_enough(run: Run, told: Callable[[], str]) -> None:
    run("echo hel''lo", on_finish_action="delete_trainjob")

    log = told()
    assert "hello" in log
    assert "was deleted" in log
    assert "orbidden" not in log


@pytest.mark.parametrize("verb", ["create", "list"])
def test_what_no_task_can_do_without_is_named(run: Run, namespace: str, verb: str) -> None:
    with pytest.raises(KubeflowTrainerError) as raised:
        run(lacks=("trainjobs", verb))

    assert f'cannot {verb} resource "trainjobs"' in str(raised.value)
    assert f'in the namespace "{namespace}"' in str(raised.value)


def test_a_deletion_that_is_not_permitted_is_named(run: Run, told: Callable[[], str]) -> None:
    run(lacks=("trainjobs", "delete"), on_finish_action="delete_trainjob")

    assert 'cannot delete resource "trainjobs"' in told()


def test_a_suspension_that_is_not_permitted_is_named(run: Run, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(lacks=("trainjobs", "patch"))
    hook = KubeflowTrainerHook("limited")

    with pytest.raises(KubeflowTrainerError, match='cannot patch resource "trainjobs".*namespace "' + namespace):
        hook.suspend(hook.list()[0]["metadata"]["name"])


@pytest.mark.parametrize(
    ("resource", "verb", "words"),
    [
        ("trainjobs", "watch", "watching is not permitted"),
        ("clustertrainingruntimes", "get", 'cannot get resource "clustertrainingruntimes"'),
        ("pods", "list", 'cannot list resource "pods"'),
        ("pods/log", "get", 'cannot get resource "pods/log"'),
    ],
    ids=lambda value: value if " " not in value else None,
)
def test_what_a_task_can_do_without_costs_words_only(
    run: Run, told: Callable[[], str], monkeypatch: pytest.MonkeyPatch, resource: str, verb: str, words: str
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.cluster.watch.POLL_SECONDS", 0.2)

    run(lacks=(resource, verb))

    assert words in told()


def test_a_failure_without_sight_of_the_pods_is_still_a_failure(run: Run) -> None:
    with pytest.raises(KubeflowTrainerError, match="did not succeed"):
        run("exit 3", lacks=("pods", "list"))


def test_a_failure_without_sight_of_the_log_still_has_its_exit_code(run: Run) -> None:
    with pytest.raises(UserCodeError, match="exit code 3"):
        run("exit 3", lacks=("pods/log", "get"))


@pytest.mark.parametrize("lacks", [("events", "list"), ("jobsets", "get"), ("jobs", "list")], ids=" ".join)
def test_what_never_starts_without_sight_of_events_is_still_told(run: Run, lacks: tuple[str, str]) -> None:
    with pytest.raises(KubeflowTrainerError, match="startup_timeout.*Insufficient nvidia.com/gpu"):
        run("true", lacks=lacks, gpus=512, startup_timeout=3)
