"""Why a TrainJob failed: one sentence and a cause, from pods that may be gone already."""

from __future__ import annotations

from typing import Any

import pytest
from podobjects import pod_object, running, terminated

from airflow_kubeflow_trainer import exceptions
from airflow_kubeflow_trainer.trainjob.diagnosis import (
    MAX_PODS,
    Cause,
    Evidence,
    diagnose_failure,
    diagnose_not_started,
    diagnose_success,
)
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod

FAILED = PhaseReport(Phase.FAILED, "FailedJobs", "jobset failed due to one or more job failures")


def evidence(*pods: dict[str, Any]) -> Evidence:
    found = Evidence("node")
    for pod in pods:
        found.remember(Pod.from_object(pod))
    return found


@pytest.mark.parametrize(
    ("pods", "cause", "words"),
    [
        pytest.param(
            [pod_object(state=terminated(1, message="ValueError: bad rank"), phase="Failed")],
            Cause.USER_CODE,
            ["container node", "gpu-7", "exit code 1", "ValueError: bad rank"],
            id="the training's own error",
        ),
        pytest.param(
            [pod_object(state=terminated(139), phase="Failed")],
            Cause.USER_CODE,
            ["signal 11"],
            id="a crash by a signal",
        ),
        pytest.param(
            [pod_object(state={"waiting": {"reason": "CrashLoopBackOff"}}, last_state=terminated(1), restarts=6)],
            Cause.USER_CODE,
            ["after 6 restarts"],
            id="seen between two restarts",
        ),
        pytest.param(
            [
                pod_object("n0", state=terminated(1), phase="Failed"),
                pod_object("n3", index=3, state=terminated(137, "OOMKilled"), phase="Failed"),
            ],
            Cause.OUT_OF_MEMORY,
            ["n3", "memory", "batch_size"],
            id="the node that ran out of memory made the others fail",
        ),
        pytest.param(
            [pod_object("m0", job="model-initializer", state=terminated(1), phase="Failed")],
            Cause.INITIALIZER,
            ["model-initializer"],
            id="an initializer",
        ),
        pytest.param(
            [
                pod_object(
                    phase="Failed",
                    conditions=[
                        {
                            "type": "DisruptionTarget",
                            "status": "True",
                            "reason": "EvictionByEvictionAPI",
                            "message": "m",
                        }
                    ],
                )
            ],
            Cause.INFRASTRUCTURE,
            ["EvictionByEvictionAPI"],
            id="an eviction",
        ),
        pytest.param(
            [pod_object(phase="Failed", reason="Evicted", message="The node was low on memory")],
            Cause.INFRASTRUCTURE,
            ["low on memory"],
            id="a node under pressure",
        ),
        pytest.param([], Cause.UNKNOWN, ["jobset failed due to"], id="no pod was ever seen"),
    ],
)
def test_the_pods_tell_why_a_trainjob_failed(pods: list[dict[str, Any]], cause: Cause, words: list[str]) -> None:
    diagnosis = diagnose_failure(FAILED, evidence(*pods))

    assert diagnosis.cause is cause
    assert [word for word in words if word not in str(diagnosis)] == []


def test_the_evidence_says_nothing_twice() -> None:
    killed = diagnose_failure(FAILED, evidence(pod_object(state=terminated(137, "OOMKilled"), phase="Failed")))

    assert killed.evidence == ("job-node-0-0-abcde: OOMKilled, exit code 137",)


def test_a_failure_that_was_seen_is_not_forgotten_when_the_container_starts_again() -> None:
    found = evidence(
        pod_object(state=terminated(1, message="CUDA error")),
        pod_object(state=running(), restarts=1),
    )

    assert "CUDA error" in diagnose_failure(FAILED, found).message


def test_a_pod_that_kubernetes_stops_because_another_failed_is_not_the_cause() -> None:
    stopped = pod_object("n0", state=terminated(143), phase="Failed")
    stopped["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z"
    found = evidence(stopped, pod_object("n1", index=1, state=terminated(5), phase="Failed"))

    assert "exit code 5" in diagnose_failure(FAILED, found).message


def test_how_a_pod_ends_while_it_is_deleted_does_not_hide_its_failure_before() -> None:
    failing = pod_object(state={"waiting": {"reason": "CrashLoopBackOff"}}, last_state=terminated(1), restarts=6)
    stopped = pod_object(state=terminated(143), phase="Failed")
    stopped["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z"

    assert "exit code 1" in diagnose_failure(FAILED, evidence(failing, stopped)).message


def test_a_job_with_a_thousand_pods_keeps_the_failed_one_in_mind() -> None:
    healthy = [pod_object(f"n{index}", index=index, state=running()) for index in range(1000)]
    found = evidence(*healthy, pod_object("n999x", index=999, state=terminated(1), phase="Failed"))

    assert len(found.pods) == MAX_PODS
    assert "n999x" in diagnose_failure(FAILED, found).message


def test_a_trainjob_that_completes_without_a_pod_that_succeeded_has_not_trained() -> None:
    diagnosis = diagnose_success({}, evidence(pod_object("d", job="dataset-initializer", phase="Succeeded")))

    assert diagnosis is not None
    assert "nothing was trained" in diagnosis.message


def test_a_node_that_succeeded_is_a_success() -> None:
    assert diagnose_success({}, evidence(pod_object(phase="Succeeded", state=terminated(0, "Completed")))) is None


def test_a_trainjob_whose_pods_are_gone_is_believed_unless_it_had_no_nodes() -> None:
    complete = {"spec": {"trainer": {"numNodes": 2}}, "status": {"jobsStatus": [{"name": "node", "succeeded": 1}]}}

    assert diagnose_success(complete, evidence()) is None
    assert diagnose_success({**complete, "spec": {"trainer": {"numNodes": 0}}}, evidence()) is not None


def test_an_initializer_that_recovered_is_not_to_blame_for_what_came_later() -> None:
    found = evidence(
        pod_object("m", job="model-initializer", state={"waiting": {}}, last_state=terminated(1), restarts=1),
        pod_object(
            "m",
            job="model-initializer",
            phase="Succeeded",
            state=terminated(0, "Completed"),
            last_state=terminated(1),
            restarts=1,
        ),
        pod_object("n", state=terminated(1), phase="Failed"),
    )

    assert diagnose_failure(FAILED, found).cause is Cause.USER_CODE


def test_a_pod_that_was_evicted_and_replaced_is_not_to_blame_for_its_replacement() -> None:
    eviction = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    found = evidence(
        pod_object("old", phase="Failed", conditions=[eviction], state=terminated(143)),
        pod_object("new", phase="Failed", state=terminated(1), created="2026-01-01T01:00:00Z"),
    )

    assert diagnose_failure(FAILED, found).cause is Cause.USER_CODE


def test_a_pod_that_went_away_before_it_started_is_forgotten() -> None:
    pending = Pod.from_object(pod_object("p", phase="Pending"))
    found = evidence(pod_object("p", phase="Pending"))

    found.forget(pending)

    assert found.never_started() == []


def test_a_job_that_never_started_is_explained_by_its_pods_and_events() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    }
    found = evidence(pod_object("n0", phase="Pending", conditions=[unschedulable]))

    diagnosis = diagnose_not_started("startup_timeout (60 s)", PhaseReport(Phase.STARTING), found, ["FailedMount: x"])

    assert diagnosis.cause is Cause.NOT_STARTED
    assert "startup_timeout (60 s)" in diagnosis.message
    assert "3 Insufficient nvidia.com/gpu" in diagnosis.message
    assert "FailedMount: x" in diagnosis.evidence


def test_a_missing_secret_is_named() -> None:
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "hf-token" not found'}}

    assert evidence(pod_object("m", phase="Pending", state=waiting)).troubles() == [
        'm: CreateContainerConfigError: secret "hf-token" not found'
    ]


def test_every_cause_has_an_exception_of_our_tree() -> None:
    assert all(issubclass(cause.exception, exceptions.KubeflowTrainerError) for cause in Cause)
