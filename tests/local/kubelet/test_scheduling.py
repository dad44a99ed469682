"""Pods are bound where they fit; otherwise the scheduler says why."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kubeflow_trainer.local.kubelet import node_operations
from airflow_kubeflow_trainer.local.kubelet.fitting import why_not

Cluster = Any
SUFFIX = " preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def node(**spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    return {"metadata": {"labels": {"zone": "a"}}, "spec": spec, "status": {"allocatable": allocatable}}


def pod(requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"resources": {"requests": requests or {}}}], **spec}}


TAINT = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("wanted", "on", "running", "reason"),
    [
        pytest.param(pod({"cpu": "2"}), node(), [], None, id="fits"),
        pytest.param(pod({"cpu": "1500m"}), node(), [pod({"cpu": "1"})], "1 Insufficient cpu", id="cpu-taken"),
        pytest.param(pod({"nvidia.com/gpu": "2"}), node(), [], "1 Insufficient nvidia.com/gpu", id="gpu"),
        pytest.param(pod({"amd.com/gpu": "1"}), node(), [], "1 Insufficient amd.com/gpu", id="unknown-resource"),
        pytest.param(
            pod({"memory": "5Gi", "cpu": "3"}), node(), [], "1 Insufficient cpu, 1 Insufficient memory", id="several"
        ),
        pytest.param(
            {"spec": {"containers": [{"resources": {"limits": {"cpu": "3"}}}]}},
            node(),
            [],
            "1 Insufficient cpu",
            id="a-limit-is-a-request",
        ),
        pytest.param(pod(), node(unschedulable=True), [], "1 node(s) were unschedulable", id="cordoned"),
        pytest.param(pod(), node(taints=[TAINT]), [], "1 node(s) had untolerated taint(s)", id="tainted"),
        pytest.param(pod(tolerations=[{"operator": "Exists"}]), node(taints=[TAINT]), [], None, id="tolerated"),
        pytest.param(
            pod(nodeSelector={"zone": "b"}),
            node(),
            [],
            "1 node(s) didn't match Pod's node affinity/selector",
            id="node-selector",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "models"}}]),
            node(),
            [],
            'persistentvolumeclaim "models" not found',
            id="claim-missing",
        ),
        pytest.param(
            pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "other"}}]),
            node(),
            [],
            "pod has unbound immediate PersistentVolumeClaims",
            id="claim-unbound",
        ),
    ],
)
def test_a_pod_that_does_not_fit_is_refused_in_the_schedulers_words(
    wanted: dict[str, Any], on: dict[str, Any], running: list[dict[str, Any]], reason: str | None
) -> None:
    expected = None if reason is None else f"0/1 nodes are available: {reason}.{SUFFIX}"
    assert why_not(wanted, on, running, claims={"other": False}) == expected


async def test_a_pod_waits_for_its_turn_and_an_event_says_for_what(idle: Cluster) -> None:
    await idle.start(capacity={"nvidia.com/gpu": "1"})
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    first = await idle.run_pod("a", ["sleep", "1000"], container=gpu)
    await idle.running(first)
    second = await idle.run_pod("b", ["true"], container=gpu)
    event = await idle.event("FailedScheduling")
    assert event["message"].startswith("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    assert event["involvedObject"]["name"] == "b"
    told = await idle.api.until(second, lambda pod: (pod.get("status") or {}).get("conditions"))
    assert told["status"]["conditions"][0]["reason"] == "Unschedulable"
    await idle.api.delete(first, grace=1)
    assert (await idle.finished(second))["status"]["phase"] == "Succeeded"


async def test_a_pod_whose_claim_comes_later_is_bound_then(cluster: Cluster) -> None:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "models"}}
    path = await cluster.run_pod("a", ["true"], volumes=[volume])
    assert 'persistentvolumeclaim "models" not found' in (await cluster.event("FailedScheduling"))["message"]
    claim = {"metadata": {"name": "models"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    await cluster.api.create("/api/v1/namespaces/default/persistentvolumeclaims", claim)
    assert (await cluster.finished(path))["status"]["phase"] == "Succeeded"


async def test_a_pod_waits_for_the_storage_class_of_its_claim(cluster: Cluster) -> None:
    claims, classes = "/api/v1/namespaces/default/persistentvolumeclaims", "/apis/storage.k8s.io/v1/storageclasses"
    claim = {"metadata": {"name": "models"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}}
    await cluster.api.create(claims, claim)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "models"}}
    path = await cluster.run_pod("a", ["true"], volumes=[volume])

    words = (await cluster.event("FailedScheduling"))["message"]
    assert words.startswith("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. ")
    event = await cluster.event("ProvisioningFailed")
    assert event["message"] == 'storageclass.storage.k8s.io "fast" not found'
    assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("PersistentVolumeClaim", "models")
    assert cluster.api.objects[f"{claims}/models"]["status"]["phase"] == "Pending"

    await cluster.api.create(classes, {"metadata": {"name": "fast"}, "provisioner": "example.com/nfs"})
    assert (await cluster.finished(path))["status"]["phase"] == "Succeeded"


async def test_a_drained_node_evicts_its_pods_and_takes_no_new_ones_until_restored(cluster: Cluster) -> None:
    path = await cluster.run_pod("a", ["sleep", "1000"])
    await cluster.running(path)
    assert await node_operations.drain(cluster.client, "local") == ["a"]
    await cluster.api.until(path, lambda pod: not pod)
    conditions = {c["type"]: c for c in cluster.api.history[-1]["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"

    second = await cluster.run_pod("b", ["true"])
    assert "node(s) were unschedulable" in (await cluster.event("FailedScheduling"))["message"]
    await node_operations.restore(cluster.client, "local")
    assert (await cluster.finished(second))["status"]["phase"] == "Succeeded"


async def test_a_lost_node_takes_its_pods_with_it_and_comes_back(cluster: Cluster) -> None:
    path = await cluster.run_pod("a", ["sleep", "1000"])
    await cluster.running(path)
    assert await node_operations.lose(cluster.client, "local") == ["a"]
    assert path not in cluster.api.objects
    last = cluster.api.history[-1]
    assert last["status"]["phase"] == "Failed"
    assert {c["type"]: c for c in last["status"]["conditions"]}["DisruptionTarget"]["reason"] == (
        "DeletionByTaintManager"
    )
    ready = {c["type"]: c for c in cluster.api.objects["/api/v1/nodes/local"]["status"]["conditions"]}["Ready"]
    assert ready["status"] == "Unknown"

    second = await cluster.run_pod("b", ["true"])
    await node_operations.restore(cluster.client, "local")
    assert (await cluster.finished(second))["status"]["phase"] == "Succeeded"
    node = await cluster.api.until(
        "/api/v1/nodes/local", lambda node: node["status"]["conditions"][0]["status"] == "True"
    )
    assert "taints" not in node["spec"]


async def test_a_pod_that_cannot_be_understood_does_not_concern_the_others(cluster: Cluster) -> None:
    before = await cluster.run_pod("before", ["sleep", "1000"])
    await cluster.running(before)
    await cluster.run_pod("bad", ["true"], container={"resources": {"limits": {"cpu": "abc"}}})
    event = await cluster.event("FailedScheduling")
    assert "'abc' is not a Kubernetes quantity" in event["message"]
    await cluster.run_pod("worse", ["true"], containers=[{}], nodeName="local")
    after = await cluster.run_pod("after", ["true"])
    assert (await cluster.finished(after))["status"]["phase"] == "Succeeded"
    status = cluster.api.objects[before]["status"]
    assert (status["phase"], status["containerStatuses"][0]["restartCount"]) == ("Running", 0)
