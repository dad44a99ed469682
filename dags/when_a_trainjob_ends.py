"""Run whenever a TrainJob ends, whoever submitted it: this DAG has no schedule but the ends of TrainJobs.

Only TrainJobs with the label `notify: airflow` are told of. Ends that come close together may share one run.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_kubeflow_trainer import TrainJobEventTrigger

ended = Asset(
    "ended_trainjobs",
    watchers=[AssetWatcher(name="kubeflow", trigger=TrainJobEventTrigger(label_selector="notify=airflow"))],
)

with DAG("when_a_trainjob_ends", schedule=[ended], tags=["kubeflow"], doc_md=__doc__):

    @task
    def report(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Say which TrainJobs ended, and how."""
        told = [event.extra["payload"] for event in triggering_asset_events[ended]]
        for trainjob in told:
            print(f"{trainjob['namespace']}/{trainjob['name']} is {trainjob['outcome']}: {trainjob['message']}")
        return told

    report()
