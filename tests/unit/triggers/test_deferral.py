"""Airflow's bound on a deferral comes after whatever a trigger may still do after its own."""

from __future__ import annotations

from airflow_kubeflow_trainer.cluster import followers, patience, recording, waiting
from airflow_kubeflow_trainer.triggers import deferral, log_channel, trainjob

ASKING_AIRFLOW_SECONDS = 30.0
"""For the XComs of an end, by a slow Airflow."""


def test_what_a_trigger_does_after_its_deadline_fits_before_airflows() -> None:
    seconds = [
        patience.PATIENCE_SECONDS + patience.LAST_DELAY_SECONDS,
        waiting.TAILS_SECONDS,
        followers.LONGEST_SECONDS,
        recording.EVENTS_SECONDS,
        log_channel.FLUSH_SECONDS,
        trainjob.SUPERSEDED_SECONDS,
        ASKING_AIRFLOW_SECONDS,
    ]

    assert sum(seconds) <= deferral.MARGIN_SECONDS
    assert trainjob.STOP_SECONDS + trainjob.KILL_FLUSH_SECONDS < 30.0
