"""The record of one training: what the Training tab shows, small enough for an XCom.

docs/progress.md describes it. The version goes up only where a reader of the old one would be misled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from airflow_kubeflow_trainer.trainjob.diagnosis import Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import packing
from airflow_kubeflow_trainer.trainjob.progress.restoring import restore
from airflow_kubeflow_trainer.trainjob.progress.sightings import Events, Phases, Pods
from airflow_kubeflow_trainer.trainjob.progress.tracker import Progress, Restart

XCOM_KEY = "trainjob_record"
"""XCom under which each try keeps the record of its training."""
RECORD_VERSION = 1
MAX_RECORD_BYTES = 32 * 1024

EPOCHS_ARGUMENT = re.compile(r"epochs=(\d{1,9})")
"""The one of a trainer's arguments that is read."""


class Recorder:
    """Gathers what is seen of one TrainJob, and makes the record of it.

    :param earlier: the record that another process has left of this very TrainJob; it goes on from there.
    """

    def __init__(self, *, name: str, namespace: str, uid: str | None, earlier: Mapping[str, Any] | None = None) -> None:
        self._trainjob: dict[str, Any] = {"name": name, "namespace": namespace, "uid": uid}
        self._phases, self._pods, self._events = Phases(), Pods(), Events()
        self._diagnosis: Diagnosis | None = None
        self.progress = Progress()
        """Feed it the log of rank 0."""
        if earlier is not None and _is_of(earlier, uid):
            self._phases.restore(earlier.get("phases"))
            self._pods.restore(earlier.get("pods"))
            self._events.restore(earlier.get("events"))
            restore(self.progress, earlier)

    @property
    def phase(self) -> str | None:
        """The phase that was seen last, by this process or the one before."""
        return self._phases.current

    @property
    def running_since(self) -> float | None:
        """When it began to run after its last suspension, in seconds since the epoch; None where nobody saw it."""
        return self._phases.running_since

    def see_trainjob(self, trainjob: Mapping[str, Any]) -> None:
        """Take in the TrainJob as the API server gives it: its runtime, what its arguments tell, its trainerStatus."""
        spec = trainjob.get("spec") or {}
        self._trainjob["runtime"] = (spec.get("runtimeRef") or {}).get("name")
        self._trainjob["nodes"] = (spec.get("trainer") or {}).get("numNodes")
        for argument in (spec.get("trainer") or {}).get("args") or []:
            found = EPOCHS_ARGUMENT.fullmatch(str(argument))
            if found is not None and self.progress.total_epochs is None:
                self.progress.total_epochs = float(found[1])
        self.progress.see_status((trainjob.get("status") or {}).get("trainerStatus"))

    def see_phase(self, report: PhaseReport, at: float) -> None:
        """Take note of a phase.

        :param at: when it began, in seconds since the epoch, by the server's clock where it tells.
        """
        self._phases.see(report, at)

    def see_pod(self, pod: Pod, *, gone: bool = False) -> None:
        """Take note of a pod's state, or that it is gone."""
        self._pods.see(pod, gone=gone)

    def see_event(self, event: Mapping[str, Any]) -> None:
        """Take note of an event, as the API server gives it; one that is seen again counts once."""
        self._events.see(event)

    def see_restart(self, pod: str, at: float) -> None:
        """Take note that the pod whose log is fed was restarted or replaced, before its new lines are fed."""
        self.progress.restarted(pod, at)

    def see_end(self, diagnosis: Diagnosis | None) -> None:
        """Take note of why it ended; None where it succeeded."""
        self._diagnosis = diagnosis
        self.progress.settle()

    def to_record(self, now: float) -> dict[str, Any]:
        """Make the record: plain data, at most :data:`MAX_RECORD_BYTES` as JSON.

        :param now: the present moment in seconds since the epoch.
        """
        return packing.pack(lambda budget: self._record(now, budget), MAX_RECORD_BYTES)

    def final_metrics(self) -> dict[str, float | str]:
        """Give the latest value of each metric, with NaN and infinity as strings."""
        return {name: packing.value(metric.latest) for name, metric in self.progress.metrics.items()}

    def _record(self, now: float, budget: packing.Budget) -> dict[str, Any]:
        return {
            "version": RECORD_VERSION,
            "updated": round(now, 3),
            "trainjob": packing.cut(self._trainjob, budget),
            "phase": self._phases.current,
            "phases": packing.cut(self._phases.to_list(budget.phases), budget),
            "progress": packing.progress(self.progress),
            "metrics": packing.metrics(self.progress, budget),
            "restarts": [_restart(restart) for restart in self.progress.restarts[-budget.phases :]],
            "pods": packing.cut(self._pods.to_list(budget.pods), budget),
            "pods_left_out": self._pods.left_out(budget.pods),
            "events": packing.cut(self._events.to_list(budget.events), budget),
            "diagnosis": packing.cut(asdict(self._diagnosis), budget) if self._diagnosis is not None else None,
        }


def _restart(restart: Restart) -> dict[str, Any]:
    return {"at": round(restart.at, 3), "pod": restart.pod}


def _is_of(record: Mapping[str, Any], uid: str | None) -> bool:
    if record.get("version") != RECORD_VERSION:
        return False
    return uid is not None and (record.get("trainjob") or {}).get("uid") == uid
