"""What is kept of objects is what is read of them, and little else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob import queue
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Until
from airflow_kubeflow_trainer.trainjob.phase import phase_of
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import Recorder
from airflow_kubeflow_trainer.trainjob.seen import Sighting
from airflow_kubeflow_trainer.trainjob.slim import slim_pod, slim_trainjob, slim_workload
from tests.unit.podobjects import pod_object, running, terminated

SOURCE = "print('a function of the user')\n" * 200


def trainjob(**spec: Any) -> dict[str, Any]:
    """A TrainJob as the API server gives it."""
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": "tune",
            "namespace": "ml",
            "uid": "an-uid",
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"team": "nlp", queue.QUEUE_LABEL: "gpus"},
            "annotations": {"note": "for people " * 100},
            "managedFields": [{"manager": "somebody", "fieldsV1": {f"f:{number}": {} for number in range(100)}}],
        },
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime", "name": "torchtune"},
            "suspend": False,
            "activeDeadlineSeconds": 3600,
            "trainer": {
                "numNodes": 2,
                "command": ["bash", "-c", SOURCE],
                "args": ["batch_size=2", "epochs=3", SOURCE],
                "env": [{"name": "SETTINGS", "value": SOURCE}],
            },
            "runtimePatches": [{"manager": "theirs", "trainingRuntimeSpec": {"template": {"spec": {"a": SOURCE}}}}],
            **spec,
        },
        "status": {
            "jobsStatus": [{"name": "node", "ready": 2, "active": 2, "succeeded": 0, "failed": 0, "suspended": 0}],
            "conditions": [{"type": "Suspended", "status": "False", "lastTransitionTime": "2026-01-01T00:00:05Z"}],
        },
    }


@pytest.mark.parametrize(
    "whole",
    [
        trainjob(),
        trainjob(suspend=True),
        trainjob(runtimePatches=None),
        trainjob(trainer=None),
        {**trainjob(), "status": None},
    ],
    ids=["it runs", "suspended", "no patches", "no trainer", "no status yet"],
)
def test_a_slim_trainjob_tells_all_that_the_whole_one_tells(whole: dict[str, Any]) -> None:
    slim = slim_trainjob(whole)

    selects = Awaited(until=Until.FINISHED.value, label_selector="team=nlp").matcher()
    for read in (
        lambda trainjob: phase_of(trainjob, trainer_job="node"),
        Sighting.of,
        lambda trainjob: queue.lost_parts({"deadline": 3600, "patches": ["theirs", "ours"]}, trainjob),
        selects,
        recorded,
    ):
        assert read(slim) == read(whole)


def test_a_slim_trainjob_does_not_hold_what_it_trains() -> None:
    assert len(json.dumps(slim_trainjob(trainjob()))) < 1_000


def recorded(trainjob: dict[str, Any]) -> dict[str, Any]:
    recorder = Recorder(name="tune", namespace="ml", uid="an-uid")
    recorder.see_trainjob(trainjob)
    return recorder.to_record(0.0)


CONDITIONS = st.lists(
    st.builds(
        lambda kind, status: {
            "type": kind,
            "status": status,
            "reason": "Because",
            "message": "of this",
            "lastTransitionTime": "2026-01-01T00:00:03Z",
        },
        st.sampled_from(["PodScheduled", "DisruptionTarget", "Ready", "Initialized", "PodReadyToStartContainers"]),
        st.sampled_from(["True", "False"]),
    ),
    unique_by=lambda condition: str(condition["type"]),
)
STATES = st.sampled_from([running(), terminated(137, "OOMKilled"), {"waiting": {"reason": "ImagePullBackOff"}}])


@given(
    CONDITIONS,
    STATES,
    STATES,
    st.sampled_from(["", "Evicted", "NodeLost"]),
    st.booleans(),
)
def test_a_slim_pod_is_the_same_pod(
    conditions: list[dict[str, Any]], state: dict[str, Any], init: dict[str, Any], reason: str, going: bool
) -> None:
    whole = pod_object(
        state=state,
        last_state=terminated(1),
        restarts=2,
        conditions=conditions,
        reason=reason,
        message="what it found",
        initContainerStatuses=[{"name": "init", "restartCount": 0, "state": init, "imageID": "sha256:" + "0" * 64}],
    )
    if going:
        whole["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"

    assert Pod.from_object(slim_pod(whole)) == Pod.from_object(whole)


def test_a_slim_pod_does_not_hold_what_nobody_reads() -> None:
    whole = pod_object(
        state=running(),
        conditions=[{"type": f"Condition{number}", "status": "True"} for number in range(50)],
        podIPs=[{"ip": "fd00::1"}] * 50,
    )
    whole["metadata"]["labels"] |= {f"label-{number}": "" for number in range(50)}
    whole["status"]["containerStatuses"][0]["volumeMounts"] = [{"name": "kube-api-access"}] * 50

    assert len(json.dumps(slim_pod(whole))) < 700


WORKLOAD = {
    "metadata": {"name": "w", "uid": "w", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"podSets": [{"template": SOURCE}]},
    "status": {
        "admission": {"podSetAssignments": [{"resourceUsage": SOURCE}]},
        "conditions": [
            {
                "type": "QuotaReserved",
                "status": "False",
                "reason": "Pending",
                "message": "insufficient unused quota for nvidia.com/gpu",
                "lastTransitionTime": "2026-01-01T00:00:01Z",
            }
        ],
    },
}


def test_a_slim_workload_tells_all_that_the_whole_one_tells_and_little_else() -> None:
    slim = slim_workload(WORKLOAD)

    assert "insufficient unused quota" in str(queue.why_it_waits(slim))
    for read in (queue.why_it_waits, queue.is_admitted, lambda workload: [*queue.statements(workload)]):
        assert read(slim) == read(WORKLOAD)
    assert len(json.dumps(slim)) < 500


def test_of_a_workload_without_a_status_there_is_nothing_to_tell() -> None:
    assert queue.why_it_waits(slim_workload({"metadata": WORKLOAD["metadata"]})) is None
