"""kubectl does on the local cluster what it does on the real one, and says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.control_plane.kubectl import Kubectl
from tests.control_plane.plane import ControlPlane

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(180)]

SCRIPT = "for i in 1 2 3; do echo line $i; sleep 0.5; done"
TRAINJOB: dict[str, Any] = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob",
    "metadata": {"name": "hello"},
    "spec": {
        "runtimeRef": {"name": "torch-distributed"},
        "trainer": {"command": ["sh", "-c", SCRIPT], "numProcPerNode": 1},
    },
}
LABELLED = {**TRAINJOB, "metadata": {"name": "hello", "labels": {"team": "ml"}}}
OTHER_SPEC = {**TRAINJOB, "spec": {**TRAINJOB["spec"], "trainer": {"command": ["true"]}}}
UNKNOWN_FIELD = {**TRAINJOB, "metadata": {"name": "odd"}, "spec": {**TRAINJOB["spec"], "nodes": 2}}
INVALID = {**TRAINJOB, "metadata": {"name": "odd"}, "spec": {"runtimeRef": {"name": ""}}}
PODS = "jobset.sigs.k8s.io/jobset-name=hello"


@pytest.fixture
def real(plane: ControlPlane, tmp_path: Path) -> Iterator[Kubectl]:
    yield from in_namespace(plane.kubeconfig, tmp_path / "real")


@pytest.fixture
def ours(embedded: LocalCluster, tmp_path: Path) -> Iterator[Kubectl]:
    yield from in_namespace(embedded.kubeconfig, tmp_path / "ours")


def in_namespace(kubeconfig: Path, cache: Path) -> Iterator[Kubectl]:
    kubectl = Kubectl(kubeconfig, cache, f"test-{uuid4().hex[:8]}")
    kubectl("create", "namespace", kubectl.namespace)
    yield kubectl
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")


def life_of_a_trainjob(kubectl: Kubectl) -> list[str]:
    """What kubectl prints along the way, without what differs each time."""
    patch = ("patch", "trainjob", "hello", "--type")
    commands: list[tuple[Any, ...]] = [
        ("apply", "-f", "-", "--dry-run=server", TRAINJOB),
        ("apply", "-f", "-", TRAINJOB),
        ("wait", "trainjob/hello", "--for=jsonpath={.status.jobsStatus[0].ready}=1", "--timeout=60s"),
        ("logs", "--follow", "--selector", PODS),
        ("wait", "trainjob/hello", "--for=condition=Complete", "--timeout=60s"),
        ("apply", "-f", "-", TRAINJOB),
        ("apply", "-f", "-", LABELLED),
        ("apply", "-f", "-", OTHER_SPEC),
        ("apply", "-f", "-", UNKNOWN_FIELD),
        ("create", "-f", "-", INVALID),
        (*patch, "merge", "--patch", '{"metadata": {"labels": {"team": "data"}}}'),
        (*patch, "json", "--patch", '[{"op": "add", "path": "/metadata/labels/more", "value": "1"}]'),
        (*patch, "merge", "--patch", '{"spec": {"runtimeRef": {"name": "other"}}}'),
        ("label", "trainjob", "hello", "more-"),
        ("get", "trainjobs", "--show-labels"),
        ("get", "trainjobs,pods", "--output=name"),
        ("get", "pods", "--output=wide"),
        ("get", "trainjob", "hello", "--output=jsonpath={.spec}"),
        ("get", "trainjob", "nobody"),
        ("get", "nothings"),
        ("events", "--for=trainjob/hello"),
        ("auth", "can-i", "create", "trainjobs"),
        ("delete", "trainjob", "hello"),
        ("wait", "pods", "--for=delete", "--selector", PODS, "--timeout=60s"),
        ("delete", "trainjob", "hello"),
        ("get", "trainjobs"),
    ]
    return [transcript(kubectl, *command) for command in commands]


def transcript(kubectl: Kubectl, *command: Any) -> str:
    *arguments, given = command if isinstance(command[-1], dict) else (*command, None)
    done = kubectl.run(*arguments, given=given)
    said = f"$ kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}(exit code {done.returncode})"
    # Whether a pod is there still when its deletion is waited for is chance.
    said = re.sub(r"pod/\S+ condition met\n(?=\(exit code 0\))", "", said)
    said = re.sub(r"hello-node-0-0-\w{5}", "hello-node-0-0-xxxxx", said.replace(kubectl.namespace, "NAMESPACE"))
    # How wide a column is depends on its ages.
    return re.sub(r" +", " ", re.sub(r" (\d+[smh])+", " AGE", said))


def test_a_trainjob_lives_as_it_does_on_the_real_control_plane(real: Kubectl, ours: Kubectl) -> None:
    expected = life_of_a_trainjob(real)

    assert life_of_a_trainjob(ours) == expected
    assert "line 3" in "\n".join(expected)


def test_what_the_local_cluster_serves_it_describes_as_the_real_one(real: Kubectl, ours: Kubectl) -> None:
    listed, known = resources(ours), resources(real)

    assert {"trainjobs", "trainingruntimes", "clustertrainingruntimes", "pods", "events"} <= {row[0] for row in listed}
    assert [row for row in listed if row not in known] == []


def resources(kubectl: Kubectl) -> list[list[str]]:
    """The cells of `api-resources`; the verbs in one order."""
    rows = kubectl("api-resources", "--no-headers", "--output=wide").splitlines()
    return [[",".join(sorted(cell.split(","))) for cell in row.split()] for row in rows]


def test_objects_that_kubectl_sends_in_protobuf_are_taken(ours: Kubectl) -> None:
    assert "created" in ours("create", "secret", "generic", "hf", "--from-literal=token=x")
    assert "created" in ours("create", "configmap", "settings", "--from-literal=a=b")
    assert "created" in ours("create", "serviceaccount", "trainer")

    assert ours("get", "secret", "hf", "--output=jsonpath={.data.token}") == "eA=="
    assert "deleted" in ours("delete", "secret/hf", "configmap/settings", "serviceaccount/trainer")


def test_server_side_apply_is_said_not_to_be_offered(ours: Kubectl) -> None:
    said = ours.refused("apply", "--server-side", "-f", "-", given=TRAINJOB)

    assert "the local cluster does not offer server-side apply: leave `--server-side` out" in said


@pytest.mark.parametrize("what", ["trainjob", "trainjob.spec.trainer", "pod.spec"])
@pytest.mark.parametrize("output", ["plaintext", "plaintext-openapiv2"])
def test_explain_is_said_not_to_be_offered(ours: Kubectl, what: str, output: str) -> None:
    said = ours.refused("explain", what, "--output", output)

    assert "the local cluster does not offer `kubectl explain`; TrainJobs are described at https://" in said
