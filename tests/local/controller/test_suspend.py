"""Suspending and resuming, and how Trainer 2.3 with JobSet 0.12 fails at it where a runtime has claims."""

from __future__ import annotations

import copy

LLAMA = "torchtune-llama3.2-1b"
SUSPENDED = ("True", "Suspended", "TrainJob is suspended")
RESUMED = ("False", "Resumed", "TrainJob is resumed")


async def test_a_suspended_job_loses_its_pods_and_gets_new_ones_when_it_is_resumed(cluster):
    await cluster.submit(trainer={"numNodes": 2})
    await cluster.settle()
    first = cluster.names("pods")
    await cluster.update(suspend=True)
    assert cluster.pods() == []
    assert cluster.conditions() == {"Suspended": SUSPENDED}
    assert cluster.jobs_status() == {"node": {"suspended": 1}}
    await cluster.update(suspend=False)
    assert cluster.pods() == ["job-node-0-0", "job-node-0-1"]
    assert not set(first) & set(cluster.names("pods"))
    assert cluster.conditions() == {"Suspended": RESUMED}
    assert cluster.jobs_status() == {"node": {"active": 1}}


async def test_pods_that_go_because_of_a_suspension_are_no_failures(cluster):
    await cluster.submit(trainer={})
    await cluster.settle()
    for _ in range(8):
        await cluster.update(suspend=True)
        await cluster.update(suspend=False)
    assert cluster.pods() == ["job-node-0-0"]
    assert "Failed" not in cluster.conditions()


async def test_a_job_born_suspended_has_no_pods_until_it_is_resumed(cluster):
    await cluster.submit(suspend=True, trainer={})
    await cluster.settle()
    assert cluster.pods() == []
    assert cluster.conditions() == {"Suspended": SUSPENDED}
    await cluster.update(suspend=False)
    await cluster.play("Succeeded")
    assert cluster.conditions()["Complete"][0] == "True"


async def test_a_stock_torchtune_job_goes_on_running_and_says_that_it_is_suspended(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    await cluster.update(suspend=True)
    assert cluster.pods() == ["job-dataset-initializer-0-0", "job-model-initializer-0-0"]
    assert cluster.conditions() == {"Suspended": SUSPENDED}
    (words,) = [message for _, _, reason, message in cluster.events() if reason == "TrainJobResourcesCreationFailed"]
    assert words == (
        'TrainJob resources reconciliation failed: JobSet.jobset.x-k8s.io "job" is invalid: spec.volumeClaimPolicies:'
        " Invalid value: Value is immutable"
    )


async def test_a_stock_torchtune_job_born_suspended_never_runs(cluster):
    await cluster.submit(runtime=LLAMA, suspend=True)
    await cluster.settle()
    await cluster.update(suspend=False)
    assert cluster.pods() == []
    assert cluster.conditions() == {"Suspended": RESUMED}


async def test_a_runtime_that_states_what_becomes_of_its_claims_can_be_suspended(cluster):
    runtime = copy.deepcopy(cluster.runtimes[LLAMA])
    runtime["metadata"]["name"] = "kept"
    for policy in runtime["spec"]["template"]["spec"]["volumeClaimPolicies"]:
        policy["retentionPolicy"] = {"whenDeleted": "Retain"}
    cluster.install(runtime)
    await cluster.submit(runtime="kept")
    await cluster.settle()
    await cluster.update(suspend=True)
    assert cluster.pods() == []
    await cluster.update(suspend=False)
    assert cluster.pods() == ["job-dataset-initializer-0-0", "job-model-initializer-0-0"]
