"""What Kueue says of a TrainJob, in the words of Kueue 0.15."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.trainjob import queue

QUOTA = (
    "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor default-flavor, "
    "1 more needed"
)


def workload(*conditions: tuple[str, str, str, str, str]) -> dict[str, Any]:
    names = ("type", "status", "reason", "message", "lastTransitionTime")
    return {"status": {"conditions": [dict(zip(names, condition, strict=True)) for condition in conditions]}}


PENDING = ("QuotaReserved", "False", "Pending", QUOTA, "2026-01-01T00:00:00Z")
RESERVED = ("QuotaReserved", "True", "QuotaReserved", "Quota reserved in ClusterQueue cq", "2026-01-01T00:01:00Z")
ADMITTED = ("Admitted", "True", "Admitted", "The workload is admitted", "2026-01-01T00:01:00Z")
EVICTED = ("Evicted", "True", "Preempted", "Preempted to accommodate a workload (UID: 7)", "2026-01-01T00:02:00Z")
REQUEUED = ("Requeued", "True", "ClusterQueueRestarted", "The ClusterQueue was restarted", "2026-01-01T00:03:00Z")


def words(*conditions: tuple[str, str, str, str, str]) -> list[str]:
    return [said for _, said in queue.statements(workload(*conditions))]


def test_the_reason_for_waiting_is_kueues_own() -> None:
    assert words(PENDING) == [f"Pending: {QUOTA}"]
    assert queue.why_it_waits(workload(PENDING)) == f"Kueue: {QUOTA}"


def test_what_happens_in_a_queue_is_told_in_its_order() -> None:
    later = ("QuotaReserved", "False", "Pending", QUOTA, "2026-01-01T00:02:00Z")

    assert words(REQUEUED, EVICTED, ADMITTED) == [
        "Admitted: The workload is admitted",
        "Evicted: Preempted to accommodate a workload (UID: 7)",
        "Requeued: The ClusterQueue was restarted",
    ]
    keys = [key for key, _ in queue.statements(workload(PENDING)) + queue.statements(workload(later))]
    assert len(set(keys)) == 2


def test_admission_has_a_moment() -> None:
    assert queue.admitted_at(workload(PENDING)) is None
    assert queue.admitted_at(workload(RESERVED, ADMITTED)) == 1767225660.0
    assert queue.why_it_waits(workload(RESERVED, ADMITTED)) is None


def test_what_was_taken_away_on_the_way_is_found() -> None:
    manifest = {"spec": {"activeDeadlineSeconds": 60, "runtimePatches": [{"manager": "a/b"}, {"manager": "c/d"}]}}
    submitted = queue.submitted_parts(manifest)

    assert queue.lost_parts(submitted, manifest) == []
    assert queue.lost_parts(submitted, {"spec": {"runtimePatches": [{"manager": "c/d"}]}}) == [
        "the runtime patch of a/b",
        "activeDeadlineSeconds (60)",
    ]
