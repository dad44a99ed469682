"""A TrainJob from its creation to its end, as its status tells it."""

from __future__ import annotations

import copy

import pytest

LLAMA = "torchtune-llama3.2-1b"
COMPLETE = ("True", "AllJobsCompleted", "jobset completed successfully")


def failed(job):
    return "True", "FailedJobs", f"jobset failed due to one or more job failures (first failed job: {job})"


async def test_a_job_of_two_nodes_is_ready_when_both_are_and_complete_when_both_are(cluster):
    await cluster.submit(trainer={"numNodes": 2})
    await cluster.settle()
    assert cluster.pods() == ["job-node-0-0", "job-node-0-1"]
    assert cluster.jobs_status() == {"node": {"active": 1}}
    assert cluster.conditions() == {}
    await cluster.play("Running", "job-node-0-0")
    assert cluster.jobs_status() == {"node": {"active": 1}}
    await cluster.play("Running", "job-node-0-1")
    assert cluster.jobs_status() == {"node": {"active": 1, "ready": 1}}
    await cluster.play("Succeeded", "job-node-0-0")
    assert cluster.jobs_status() == {"node": {"active": 1, "ready": 1}}
    await cluster.play("Succeeded", "job-node-0-1")
    assert cluster.jobs_status() == {"node": {"succeeded": 1}}
    assert cluster.conditions() == {"Complete": COMPLETE}
    assert cluster.pods() == ["job-node-0-0", "job-node-0-1"]


async def test_jobs_status_names_every_count_of_every_job(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    zero = {"ready": 0, "succeeded": 0, "failed": 0, "active": 0, "suspended": 0}
    assert cluster.trainjob()["status"]["jobsStatus"] == [
        {"name": "node", **zero},
        {"name": "model-initializer", **zero, "active": 1},
        {"name": "dataset-initializer", **zero, "active": 1},
    ]


async def test_the_trainer_waits_for_both_initializers(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    assert cluster.pods() == ["job-dataset-initializer-0-0", "job-model-initializer-0-0"]
    assert cluster.names("persistentvolumeclaims") == ["initializer-job"]
    await cluster.play("Succeeded", "job-dataset")
    assert len(cluster.pods()) == 2
    await cluster.play("Succeeded", "job-model")
    assert cluster.pods()[-1] == "job-node-0-0"
    assert cluster.jobs_status() == {
        "node": {"active": 1},
        "model-initializer": {"succeeded": 1},
        "dataset-initializer": {"succeeded": 1},
    }
    await cluster.play("Succeeded", "job-node")
    assert cluster.conditions() == {"Complete": COMPLETE}


async def test_a_container_that_restarts_six_times_fails_the_job_and_takes_its_pods(cluster):
    await cluster.submit(trainer={"numNodes": 2})
    await cluster.settle()
    await cluster.play("Pending", "job-node-0-0", restarts=5, ready=False)
    assert cluster.conditions() == {}
    await cluster.play("Pending", "job-node-0-1", restarts=1, ready=False)
    assert cluster.conditions() == {"Failed": failed("job-node-0")}
    assert cluster.jobs_status() == {"node": {"failed": 1}}
    assert cluster.pods() == []
    assert (
        "Job",
        "job-node-0",
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    ) in cluster.events()


async def test_a_job_has_failed_only_once_its_last_pod_is_gone(cluster):
    await cluster.submit(trainer={})
    await cluster.settle()
    await cluster.play("Running", restarts=6)
    (pod,) = cluster.all("pods")
    assert "deletionTimestamp" in pod["metadata"]
    assert cluster.conditions() == {}
    await cluster.play("Failed")
    assert cluster.conditions() == {"Failed": failed("job-node-0")}


async def test_a_failed_initializer_ends_the_job_and_the_other_initializer(cluster):
    await cluster.submit(runtime=LLAMA)
    await cluster.settle()
    await cluster.play("Pending", "job-dataset", restarts=6, ready=False)
    assert cluster.conditions() == {"Failed": failed("job-dataset-initializer-0")}
    assert cluster.jobs_status() == {"dataset-initializer": {"failed": 1}, "model-initializer": {}, "node": {}}
    assert cluster.pods() == []


async def test_a_pod_that_failed_is_made_again_after_ten_seconds_then_twenty(cluster):
    await cluster.submit(trainer={})
    await cluster.settle()
    await cluster.play("Failed")
    assert len(cluster.pods()) == 1
    await cluster.wait(9.9)
    assert len(cluster.pods()) == 1
    await cluster.wait(0.1)
    assert len(cluster.pods()) == 2
    await cluster.play("Failed")
    await cluster.wait(19.9)
    assert len(cluster.pods()) == 2
    await cluster.wait(0.1)
    assert len(cluster.pods()) == 3
    await cluster.play("Succeeded")
    assert cluster.conditions() == {"Complete": COMPLETE}


async def test_the_seventh_failed_pod_is_the_last(cluster):
    await cluster.submit(trainer={})
    await cluster.settle()
    for _ in range(7):
        assert cluster.conditions() == {}
        await cluster.play("Failed")
        await cluster.wait(600)
    assert cluster.conditions() == {"Failed": failed("job-node-0")}
    assert len(cluster.pods()) == 7


async def test_a_pod_that_its_node_took_away_is_made_again(cluster):
    await cluster.submit(trainer={"numNodes": 2})
    await cluster.settle()
    first = cluster.names("pods")
    await cluster.lose("job-node-0-1")
    await cluster.wait(10)
    assert cluster.pods() == ["job-node-0-0", "job-node-0-1"]
    assert len(set(first) & set(cluster.names("pods"))) == 1


async def test_a_job_without_nodes_is_complete_without_a_pod(cluster):
    await cluster.submit(trainer={"numNodes": 0})
    await cluster.settle()
    assert cluster.conditions() == {"Complete": COMPLETE}
    assert cluster.pods() == []


async def test_a_job_that_another_controller_manages_is_left_alone(cluster):
    await cluster.submit(managedBy="kueue.x-k8s.io/multikueue")
    await cluster.settle()
    assert cluster.pods() == []
    assert "status" not in cluster.trainjob()


async def test_the_deadline_counts_from_creation_and_takes_pods_and_claim(cluster):
    await cluster.submit(runtime=LLAMA, activeDeadlineSeconds=60)
    assert await cluster.settle() == pytest.approx(60, abs=0.1)
    await cluster.wait(59)
    assert cluster.conditions() == {}
    await cluster.wait(2)
    assert cluster.conditions() == {"Failed": ("True", "DeadlineExceeded", "TrainJob exceeded its active deadline")}
    assert cluster.pods() == []
    assert cluster.names("persistentvolumeclaims") == []
    assert cluster.jobs_status()["dataset-initializer"] == {"active": 1}


async def test_the_deadline_counts_from_the_resumption_of_a_suspended_job(cluster):
    await cluster.submit(suspend=True, activeDeadlineSeconds=60, trainer={})
    await cluster.settle()
    await cluster.wait(1000)
    await cluster.update(suspend=False)
    await cluster.wait(59)
    assert "Failed" not in cluster.conditions()
    await cluster.wait(2)
    assert cluster.conditions()["Failed"][1] == "DeadlineExceeded"


async def test_a_job_that_ended_has_no_deadline(cluster):
    await cluster.submit(activeDeadlineSeconds=60, trainer={})
    await cluster.settle()
    await cluster.play("Succeeded")
    await cluster.wait(1000)
    assert cluster.conditions() == {"Complete": COMPLETE}


async def test_the_runtime_is_the_one_that_the_job_began_with(cluster):
    await cluster.submit(runtime=LLAMA, trainer={})
    await cluster.settle()
    changed = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": LLAMA},
    }
    cluster.install({**changed, "spec": {"template": {"spec": {"replicatedJobs": []}}}})
    await cluster.play("Succeeded")
    assert cluster.pods()[-1] == "job-node-0-0"


async def test_a_policy_that_does_not_run_here_is_a_failure_that_says_so(cluster):
    cluster.install(
        {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "ClusterTrainingRuntime",
            "metadata": {"name": "deepspeed"},
            "spec": {"mlPolicy": {"mpi": {}}, "template": {"spec": {"replicatedJobs": []}}},
        }
    )
    await cluster.submit(runtime="deepspeed")
    await cluster.settle()
    status, reason, message = cluster.conditions()["Failed"]
    assert (status, reason) == ("True", "TrainingRuntimeNotSupported")
    assert message.startswith("the local cluster does not run the mpi policy of the runtime 'deepspeed'")


def own_runtime(cluster, name, **spec):
    """Install a runtime like torch-distributed with a second replicated job before the training's."""
    runtime = copy.deepcopy(cluster.runtimes["torch-distributed"])
    runtime["metadata"]["name"] = name
    jobset = runtime["spec"]["template"]["spec"]
    first = copy.deepcopy(jobset["replicatedJobs"][0])
    first["name"], first["template"]["metadata"] = "first", {}
    jobset["replicatedJobs"].insert(0, first)
    jobset |= spec
    cluster.install(runtime)
    return name


async def test_jobs_that_start_in_order_wait_until_the_one_before_runs(cluster):
    name = own_runtime(cluster, "ordered", startupPolicy={"startupPolicyOrder": "InOrder"})
    await cluster.submit(runtime=name)
    await cluster.settle()
    assert cluster.pods() == ["job-first-0-0"]
    await cluster.play("Running", "job-first")
    assert cluster.pods() == ["job-first-0-0", "job-node-0-0"]


@pytest.mark.parametrize(
    ("policy", "ends"),
    [
        pytest.param({"operator": "All"}, False, id="all of them"),
        pytest.param({"operator": "Any"}, True, id="any of them"),
        pytest.param({"operator": "All", "targetReplicatedJobs": ["first"]}, True, id="all of some"),
        pytest.param({"operator": "Any", "targetReplicatedJobs": ["node"]}, False, id="any of others"),
    ],
)
async def test_a_runtime_may_say_whose_success_is_the_trainjobs(cluster, policy, ends):
    await cluster.submit(runtime=own_runtime(cluster, "policed", successPolicy=policy))
    await cluster.settle()
    await cluster.play("Succeeded", "job-first")
    assert cluster.conditions() == ({"Complete": COMPLETE} if ends else {})
