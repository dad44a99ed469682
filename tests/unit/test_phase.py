"""A TrainJob's phase, read from what Trainer 2.3 writes into its status."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kubeflow_trainer.trainjob.phase import Phase, phase_of


def trainjob(*conditions: tuple[str, str], jobs: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "spec": spec,
        "status": {
            "conditions": [{"type": kind, "status": status, "reason": f"{kind}Reason"} for kind, status in conditions],
            "jobsStatus": jobs or [],
        },
    }


@pytest.mark.parametrize(
    ("job", "phase"),
    [
        pytest.param({"spec": {}}, Phase.STARTING, id="no status yet"),
        pytest.param(trainjob(jobs=[{"name": "node", "active": 1, "ready": 0}]), Phase.STARTING, id="pods pending"),
        pytest.param(
            trainjob(jobs=[{"name": "node", "active": 0}, {"name": "model-initializer", "ready": 1}]),
            Phase.INITIALIZING,
            id="an initializer runs",
        ),
        pytest.param(
            trainjob(jobs=[{"name": "node", "ready": 1}, {"name": "dataset-initializer", "succeeded": 1}]),
            Phase.RUNNING,
            id="the node job is ready, listed first",
        ),
        pytest.param(trainjob(jobs=[{"name": "node", "succeeded": 1}]), Phase.RUNNING, id="ended, not yet complete"),
        pytest.param(trainjob(("Suspended", "True")), Phase.QUEUED, id="suspended"),
        pytest.param(trainjob(suspend=True), Phase.QUEUED, id="suspended from birth, no condition yet"),
        pytest.param(
            trainjob(("Suspended", "False"), jobs=[{"name": "node", "ready": 1}]), Phase.RUNNING, id="resumed"
        ),
        pytest.param(trainjob(("Complete", "True")), Phase.SUCCEEDED, id="complete"),
        pytest.param(trainjob(("Failed", "True")), Phase.FAILED, id="failed"),
        pytest.param(trainjob(("Complete", "True"), ("Failed", "True")), Phase.FAILED, id="failed counts for more"),
        pytest.param(trainjob(("Failed", "False")), Phase.STARTING, id="a condition that is not true"),
    ],
)
def test_a_trainjobs_status_tells_its_phase(job: dict[str, Any], phase: Phase) -> None:
    assert phase_of(job, trainer_job="node").phase is phase


def test_the_replicated_job_that_trains_is_the_runtimes_to_name() -> None:
    status = trainjob(jobs=[{"name": "node", "ready": 1}, {"name": "launcher", "ready": 0}])

    assert phase_of(status, trainer_job="launcher").phase is Phase.INITIALIZING


def test_a_report_carries_the_clusters_own_words() -> None:
    failed = {
        "status": {
            "conditions": [
                {"type": "Failed", "status": "True", "reason": "FailedJobs", "message": "first failed job: x-node-0"}
            ]
        }
    }

    assert str(phase_of(failed, trainer_job="node")) == "Failed (FailedJobs: first failed job: x-node-0)"
