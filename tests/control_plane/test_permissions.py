"""The Role that the documentation gives is enough, and what is missing in a smaller one is named or does no harm."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, TRAINING_RUNTIMES
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError, UserCodeError
from tests.control_plane.access import CLUSTER_ROLE, ROLE, permissions, service_account_token, without
from tests.control_plane.definitions import serving
from tests.control_plane.plane import ControlPlane
from tests.shell_operator import ShellOperator, Task

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]

Run = Callable[..., Any]
Told = Callable[[], str]


@dataclass(frozen=True)
class Deed:
    """What a task does that takes a permission."""

    script: str = "echo hello"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its operator."""
    fails: str | None = None
    """What the exception says that ends it, permitted or not. None: the task succeeds without the permission."""
    own_runtime: bool = False
    """Whether the namespace has a runtime of its own."""
    kueue: bool = False
    """Whether the cluster has the API of Kueue."""


REFUSED = "cannot"
NEVER_STARTS = Deed(options={"gpus": 512, "startup_timeout": 3}, fails="startup_timeout.*Insufficient nvidia.com/gpu")
RUNS_TOO_LONG = Deed("sleep 1000", {"run_timeout": 1}, fails="run_timeout")
QUEUED = Deed(options={"queue_name": "q"}, kueue=True)
NO_RUNTIME = Deed(options={"runtime_kind": "TrainingRuntime"}, fails="there is no TrainingRuntime 'torch-distributed'")

# Each permission that the documentation asks for. Without it the deed has the very same end, in all but words, save for
# the first two, without which there is no TrainJob at all.
DEEDS: dict[tuple[str, str], Deed] = {
    ("trainjobs", "create"): Deed(fails=REFUSED),
    ("trainjobs", "list"): Deed(fails=REFUSED),
    ("trainjobs", "watch"): Deed(),
    ("trainjobs", "get"): RUNS_TOO_LONG,
    ("trainjobs", "patch"): replace(RUNS_TOO_LONG, options={"run_timeout": 1, "on_kill_action": "suspend_trainjob"}),
    ("trainjobs", "delete"): Deed(options={"on_finish_action": "delete_trainjob"}),
    ("trainingruntimes", "get"): Deed(options={"runtime_kind": "TrainingRuntime"}, own_runtime=True),
    ("trainingruntimes", "list"): NO_RUNTIME,
    ("clustertrainingruntimes", "get"): Deed(),
    ("clustertrainingruntimes", "list"): NO_RUNTIME,
    ("pods", "list"): Deed(),
    ("pods", "watch"): Deed(),
    ("pods/log", "get"): Deed(),
    ("events", "list"): NEVER_STARTS,
    ("jobsets", "get"): NEVER_STARTS,
    ("jobs", "list"): NEVER_STARTS,
    ("workloads", "list"): QUEUED,
    ("workloads", "watch"): QUEUED,
}


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


def test_the_documented_role_is_enough(run: Run, told: Told) -> None:
    run("echo hel''lo", on_finish_action="delete_trainjob")

    log = told()
    assert "hello" in log
    assert "was deleted" in log
    assert "orbidden" not in log


def test_each_permission_that_is_documented_is_asked_for_below() -> None:
    assert permissions(ROLE) | permissions(CLUSTER_ROLE) == set(DEEDS)


@pytest.mark.parametrize(("resource", "verb"), DEEDS, ids=[" ".join(pair) for pair in DEEDS])
def test_a_permission_that_is_missing_is_named(
    run: Run,
    told: Told,
    plane: ControlPlane,
    namespace: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    resource: str,
    verb: str,
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.cluster.watch.POLL_SECONDS", 0.2)
    deed = DEEDS[resource, verb]
    if deed.own_runtime:
        copy_runtime(plane, namespace)
    if deed.kueue:
        request.getfixturevalue("kueue_api")

    with pytest.raises(KubeflowTrainerError, match=deed.fails) if deed.fails else nullcontext() as raised:
        run(deed.script, lacks=(resource, verb), **deed.options)

    where = "at the cluster scope" if resource.startswith("cluster") else f'in the namespace "{namespace}"'
    said = told() + (str(raised.value) if raised else "")
    assert re.search(rf'cannot {verb} resource "{resource}" in API group "[\w.-]*" {where}', said), said


@pytest.fixture
def kueue_api(plane: ControlPlane) -> Iterator[None]:
    """The API of Kueue, without Kueue: only whoever may list its Workloads comes so far as to watch them."""
    with serving(plane, "kueue.x-k8s.io", "v1beta1", "Workload"):
        yield


def copy_runtime(plane: ControlPlane, namespace: str) -> None:
    """Make a runtime of the namespace's own."""
    stock = plane.call("get", CLUSTER_TRAINING_RUNTIMES.path(name="torch-distributed"))
    metadata = {"name": "torch-distributed", "labels": stock["metadata"]["labels"]}
    own = {**stock, "kind": TRAINING_RUNTIMES.kind, "metadata": metadata}
    plane.call("create", TRAINING_RUNTIMES.path(namespace=namespace), own)


def test_a_failure_without_sight_of_the_pods_is_still_a_failure(run: Run) -> None:
    with pytest.raises(KubeflowTrainerError, match="did not succeed"):
        run("exit 3", lacks=("pods", "list"))


def test_a_failure_without_sight_of_the_log_still_has_its_exit_code(run: Run) -> None:
    with pytest.raises(UserCodeError, match="exit code 3"):
        run("exit 3", lacks=("pods/log", "get"))
