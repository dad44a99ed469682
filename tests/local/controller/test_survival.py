"""The controller dies at any moment; what was begun goes on, and nothing is done twice."""

from __future__ import annotations

import copy

import pytest

LLAMA = "torchtune-llama3.2-1b"


async def until_complete(cluster):
    """Play a TorchTune job to its end, starting the controller again wherever it dies."""
    steps = [
        cluster.settle,
        lambda: cluster.play("Running", "job-dataset"),
        lambda: cluster.play("Succeeded", "job-dataset"),
        lambda: cluster.play("Succeeded", "job-model"),
        lambda: cluster.play("Running", "job-node"),
        lambda: cluster.play("Succeeded", "job-node"),
        cluster.settle,
    ]
    for step in steps:
        try:
            await step()
        except cluster.CrashError:
            cluster.objects.crash_at = None
            cluster.restart()
            await cluster.settle()
            await step()


def install_kept(cluster):
    """Install a runtime whose claims outlive their job."""
    runtime = copy.deepcopy(cluster.runtimes[LLAMA])
    runtime["metadata"]["name"] = "kept"
    for policy in runtime["spec"]["template"]["spec"]["volumeClaimPolicies"]:
        policy["retentionPolicy"] = {"whenDeleted": "Retain"}
    cluster.install(runtime)


@pytest.mark.parametrize("runtime", [LLAMA, "kept"])
async def test_wherever_it_dies_the_job_completes_with_one_pod_for_each_step(cluster, runtime):
    install_kept(cluster)
    await cluster.submit(runtime=runtime)
    await until_complete(cluster)
    writes = cluster.objects.writes
    assert writes > 20
    for crash_at in range(2, writes + 1):
        fresh = type(cluster)()
        install_kept(fresh)
        await fresh.submit(runtime=runtime)
        fresh.objects.crash_at = crash_at
        await until_complete(fresh)
        assert fresh.conditions() == cluster.conditions(), crash_at
        assert fresh.jobs_status() == cluster.jobs_status(), crash_at
        assert fresh.pods() == cluster.pods(), crash_at
        assert fresh.objects.pods_made == 3, crash_at


@pytest.mark.parametrize(
    "suspend", [pytest.param(False, id="left alone"), pytest.param(True, id="suspended afterwards")]
)
async def test_a_finished_job_whose_pods_are_gone_is_not_run_again(cluster, suspend):
    await cluster.submit(trainer={})
    await cluster.settle()
    await cluster.play("Succeeded")
    conditions = cluster.conditions()
    (pod,) = [path for path in cluster.objects.objects if "/pods/" in path]
    await cluster.objects.delete(pod)
    cluster.restart()
    await cluster.update(suspend=suspend)
    assert cluster.pods() == []
    assert cluster.conditions()["Complete"] == conditions["Complete"]


async def test_a_pod_that_ended_while_the_controller_was_away_is_counted(cluster):
    await cluster.submit(trainer={"numNodes": 2})
    await cluster.settle()
    (first, second) = sorted(path for path in cluster.objects.objects if "/pods/" in path)
    await cluster.objects.patch(first, {"status": {"phase": "Succeeded"}})
    await cluster.objects.delete(first)
    cluster.restart()
    await cluster.settle()
    assert cluster.pods() == ["job-node-0-1"]
    await cluster.objects.patch(second, {"status": {"phase": "Succeeded"}})
    await cluster.settle()
    assert "Complete" in cluster.conditions()
    assert cluster.objects.pods_made == 2


async def test_a_failure_stays_the_failure_that_it_was(cluster):
    await cluster.submit(trainer={})
    await cluster.settle()
    await cluster.play("Pending", restarts=6, ready=False)
    status = cluster.trainjob()["status"]
    cluster.restart()
    await cluster.wait(3600)
    assert cluster.trainjob()["status"] == status
    assert cluster.pods() == []
