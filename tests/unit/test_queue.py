"""What Kueue says of a TrainJob, in the words of Kueue 0.15."""

from __future__ import annotations

from datetime import datetime
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
    return [said.words for said in queue.statements(workload(*conditions))]


def test_the_reason_for_waiting_is_kueues_own() -> None:
    assert words(PENDING) == [f"Pending: {QUOTA}"]
    assert queue.why_it_waits(workload(PENDING)) == f"Kueue: {QUOTA}"


def test_what_happens_in_a_queue_is_told_in_its_order() -> None:
    assert words(REQUEUED, EVICTED, ADMITTED) == [
        "Admitted: The workload is admitted",
        "Evicted: Preempted to accommodate a workload (UID: 7)",
        "Requeued: The ClusterQueue was restarted",
    ]


def test_that_somebody_is_driven_out_is_told_once_and_that_he_is_queued_anew() -> None:
    why, when, later = EVICTED[3], EVICTED[4], "2026-01-01T00:02:02Z"
    # As the real Kueue has it, two seconds later.
    found = queue.statements(
        workload(
            ("QuotaReserved", "False", "Pending", why, later),
            EVICTED,
            ("Admitted", "False", "NoReservation", "The workload has no reservation", later),
            ("Preempted", "True", "InClusterQueue", why, when),
            ("Requeued", "True", "Preempted", why, later),
        )
    )

    assert [said.words for said in found] == [f"Preempted: {why}", "Requeued"]
    # When it is its turn again, that it was queued is no news.
    anew = "2026-01-01T00:03:00Z"
    assert words(
        ("Evicted", "False", "QuotaReserved", f"Previously: {why}", anew),
        ("Preempted", "False", "QuotaReserved", f"Previously: {why}", anew),
        ("Requeued", "True", "Preempted", why, later),
    ) == ["Requeued"]
    assert words(("QuotaReserved", "False", "Finished", "Workload has finished", anew)) == []


def test_a_statement_has_the_same_moment_whenever_it_is_read_and_later_ones_a_later_one() -> None:
    second = "2026-01-01T00:02:00Z"
    found = queue.statements(
        workload(
            ("QuotaReserved", "False", "Pending", QUOTA, second),
            ("Requeued", "True", "Preempted", "Preempted", second),
            ("Preempted", "True", "InClusterQueue", "Preempted", second),
        )
    )

    assert [said.kind for said in found] == ["Preempted", "Requeued", "QuotaReserved"]
    moments = [said.at for said in found if said.at is not None]
    assert moments == sorted(set(moments))
    assert {moment.replace(microsecond=0) for moment in moments} == {datetime.fromisoformat(second)}


def test_who_is_admitted_waits_no_more_until_it_is_driven_out() -> None:
    assert not queue.is_admitted(workload(PENDING))
    assert queue.is_admitted(workload(RESERVED, ADMITTED))
    assert queue.why_it_waits(workload(RESERVED, ADMITTED)) is None
    # Its pods have yet to end.
    assert not queue.is_admitted(workload(RESERVED, ADMITTED, EVICTED))


def test_what_was_taken_away_on_the_way_is_found() -> None:
    manifest = {"spec": {"activeDeadlineSeconds": 60, "runtimePatches": [{"manager": "a/b"}, {"manager": "c/d"}]}}
    submitted = queue.submitted_parts(manifest)

    assert queue.lost_parts(submitted, manifest) == []
    assert queue.lost_parts(submitted, {"spec": {"runtimePatches": [{"manager": "c/d"}]}}) == [
        "the runtime patch of a/b",
        "activeDeadlineSeconds (60)",
    ]
