"""What a trigger hands to its task is small, whatever the training did."""

from __future__ import annotations

import json

from airflow_kubeflow_trainer.cluster.waiting import Outcome
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis
from airflow_kubeflow_trainer.triggers.event import error_of, event_of


def test_an_event_stays_small_however_much_there_is_to_say() -> None:
    outcome = Outcome(diagnosis=Diagnosis(Cause.USER_CODE, "m" * 10**6), log_tail=("x" * 10**6,) * 20)
    metrics = {f"metric-{number}": 0.5 for number in range(10_000)}

    event = event_of(outcome, name="n", namespace="ns", uid="u", result=None, metrics=metrics)

    assert len(json.dumps(event)) < 32_768
    assert "m" * 1000 in str(error_of(event))
