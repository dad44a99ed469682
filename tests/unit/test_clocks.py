"""Which clock runs, since when: always by the server's timestamps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from podobjects import pod_object, running, terminated

from airflow_kubeflow_trainer.cluster.waiting import WaitSpec
from airflow_kubeflow_trainer.trainjob.clocks import Clocks
from airflow_kubeflow_trainer.trainjob.diagnosis import Evidence
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod

LIMITS = WaitSpec(name="x", admission_timeout=10, startup_timeout=20, run_timeout=30)
MIDNIGHT = datetime.fromisoformat("2026-01-01T00:00:00Z").timestamp()


def expiry(phase: Phase, *pods: dict[str, Any], limits: WaitSpec = LIMITS, **status: Any) -> tuple[str, float] | None:
    seen = Evidence("node")
    for pod in pods:
        seen.remember(Pod.from_object(pod))
    trainjob = {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "status": status}
    found = Clocks(limits).next_expiry(trainjob, PhaseReport(phase), seen)
    return (found.clock.partition(" ")[0], found.at - MIDNIGHT) if found else None


def condition(status: str, at: str) -> list[dict[str, str]]:
    return [{"type": "Suspended", "status": status, "lastTransitionTime": at}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(expiry(Phase.QUEUED), ("admission_timeout", 10), id="queued since creation"),
        pytest.param(
            expiry(Phase.QUEUED, conditions=condition("True", "2026-01-01T00:05:00Z")),
            ("admission_timeout", 310),
            id="queued again after a preemption",
        ),
        pytest.param(expiry(Phase.STARTING), ("startup_timeout", 20), id="no pods since creation"),
        pytest.param(
            expiry(Phase.STARTING, conditions=condition("False", "2026-01-01T01:00:00Z")),
            ("startup_timeout", 3620),
            id="no pods since admission",
        ),
        pytest.param(
            expiry(
                Phase.STARTING,
                pod_object("d", job="dataset-initializer", phase="Succeeded", state=terminated(0)),
                pod_object("n", phase="Pending", created="2026-01-01T00:10:00Z"),
            ),
            ("startup_timeout", 620),
            id="the node's pod came after the initializer",
        ),
        pytest.param(expiry(Phase.RUNNING), None, id="running, and its pods may not be read"),
        pytest.param(
            expiry(
                Phase.STARTING,
                pod_object(
                    "d",
                    job="dataset-initializer",
                    phase="Succeeded",
                    state={"terminated": {"exitCode": 0, "finishedAt": "2026-01-01T02:00:00Z"}},
                ),
            ),
            ("startup_timeout", 7220),
            id="the node's pod cannot be created",
        ),
        pytest.param(
            expiry(Phase.INITIALIZING, pod_object("d", job="dataset-initializer", state=running())),
            None,
            id="an initializer may take its time",
        ),
        pytest.param(
            expiry(Phase.RUNNING, pod_object(state=running("2026-01-01T00:01:00Z"))),
            ("run_timeout", 90),
            id="training since the container started",
        ),
        pytest.param(
            expiry(
                Phase.STARTING,
                pod_object(
                    state={"waiting": {"reason": "CrashLoopBackOff"}},
                    last_state=terminated(1, started="2026-01-01T00:01:00Z"),
                    restarts=1,
                    phase="Pending",
                ),
            ),
            ("run_timeout", 90),
            id="waiting for a restart is not starting",
        ),
    ],
)
def test_the_clock_that_runs(found: tuple[str, float] | None, expected: tuple[str, float] | None) -> None:
    assert found == expected


def test_the_tasks_own_deadline_ends_every_phase() -> None:
    limits = WaitSpec(name="x", deadline=MIDNIGHT + 5, startup_timeout=20)

    assert expiry(Phase.STARTING, limits=limits) == ("the", 5)
