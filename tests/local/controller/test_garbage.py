"""What becomes of a TrainJob's children when it is deleted."""

from __future__ import annotations

import copy

from airflow_kubeflow_trainer.local.controller import runtimes
from airflow_kubeflow_trainer.local.controller.garbage import GarbageCollector

LLAMA = "torchtune-llama3.2-1b"


async def test_pods_claim_and_snapshot_go_with_their_trainjob_and_no_others(cluster):
    for name in ("one", "two"):
        await cluster.submit(name, runtime=LLAMA)
        await cluster.settle(name)
    await cluster.delete("one")
    await cluster.settle("one")
    assert cluster.pods() == ["two-dataset-initializer-0-0", "two-model-initializer-0-0"]
    assert cluster.names("persistentvolumeclaims") == ["initializer-two"]
    assert cluster.names("configmaps") == ["two-runtime-snapshot"]


async def test_what_was_orphaned_while_the_controller_was_away_is_collected_at_its_start(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    await cluster.objects.delete("/apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs/job")
    await GarbageCollector(cluster.objects).collect("default")
    assert cluster.pods() == cluster.names("persistentvolumeclaims") == cluster.names("configmaps") == []


async def test_a_claim_to_be_retained_stays_and_keeps_a_second_job_of_its_name_from_running(cluster):
    runtime = copy.deepcopy(cluster.runtimes[LLAMA])
    runtime["metadata"]["name"] = "kept"
    for policy in runtime["spec"]["template"]["spec"]["volumeClaimPolicies"]:
        policy["retentionPolicy"] = {"whenDeleted": "Retain"}
    cluster.install(runtime)
    await cluster.submit(runtime="kept")
    await cluster.settle()
    await cluster.delete()
    assert cluster.names("persistentvolumeclaims") == ["initializer-job"]
    await cluster.submit(runtime="kept")
    await cluster.settle()
    assert cluster.pods() == []
    assert cluster.events()[-1][3] == (
        'TrainJob resources reconciliation failed: admission webhook "vjobset.kb.io" denied the request:'
        ' JobSet.jobset.x-k8s.io "job" is invalid: spec.volumeClaimPolicies[0].template[0].spec: Invalid value:'
        ' {"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"20Gi"}}}: spec does not match existing'
        " PVC initializer-job in namespace default"
    )


async def test_objects_of_unknown_owners_are_left_alone(cluster):
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u"}
    metadata = {"name": "p", "namespace": "default", "ownerReferences": [owner]}
    await cluster.objects.create("/api/v1/namespaces/default/pods", {"metadata": metadata})
    await GarbageCollector(cluster.objects).collect("default")
    assert cluster.names("pods") == ["p"]


async def test_a_new_job_waits_for_the_claim_of_the_old_one_of_its_name(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    path = "/api/v1/namespaces/default/persistentvolumeclaims/initializer-job"
    cluster.objects.objects[path]["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    await cluster.delete()
    await cluster.submit(runtime=LLAMA)
    assert await cluster.settle() == 0.2
    assert cluster.pods() == []
    await cluster.objects.patch(path, {"metadata": {"finalizers": None}})
    await cluster.settle()
    assert len(cluster.pods()) == 2


async def test_stock_runtimes_are_installed_and_a_users_change_is_kept(cluster):
    names = sorted(cluster.runtimes)
    assert names == [
        "jax-distributed",
        "torch-distributed",
        "torchtune-llama3.2-1b",
        "torchtune-llama3.2-3b",
        "torchtune-qwen2.5-1.5b",
        "xgboost-distributed",
    ]
    del cluster.objects.objects["/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes/jax-distributed"]
    cluster.runtimes[LLAMA]["spec"]["mlPolicy"]["numNodes"] = 7
    await runtimes.install(cluster.objects)
    assert sorted(cluster.names("clustertrainingruntimes")) == names
    path = f"/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes/{LLAMA}"
    assert cluster.objects.objects[path]["spec"]["mlPolicy"]["numNodes"] == 7
