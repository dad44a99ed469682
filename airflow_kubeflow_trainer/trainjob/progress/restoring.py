"""Going on from a record that another process has left: the log that it was made from may be gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.trainjob.progress.reading import Origin
from airflow_kubeflow_trainer.trainjob.progress.tracker import Metric, Progress, Restart


def restore(progress: Progress, record: Mapping[str, Any]) -> None:
    """Put what a record holds into a Progress that is still empty."""
    known = record["progress"]
    if known["as_of"] is None:
        return
    progress.step, progress.total_steps = known["step"], known["total_steps"]
    progress.epoch, progress.total_epochs = known["epoch"], known["total_epochs"]
    progress.restarts = [Restart(entry["at"], entry["pod"]) for entry in record["restarts"]]
    for name, metric in record["metrics"].items():
        progress.restore_metric(name, _metric(metric))
    progress.ignore_until(known["as_of"])


def _metric(entry: Mapping[str, Any]) -> Metric:
    metric = Metric(Origin[entry["source"].upper()], entry["over"])
    for x, y in zip(entry["x"], entry["y"], strict=True):
        metric.series.add(x, y)
    metric.series.count = entry["count"]
    metric.series.not_finite = entry["not_finite"]
    metric.latest = float(entry["latest"])
    return metric
