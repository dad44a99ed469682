"""Why a TrainJob failed: pure, from what was seen of it.

``catalogue`` knows causes by their messages, ``tracebacks`` reads logs, ``judging`` holds one against the other, and
``explaining`` puts it into words.
"""

from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause, Diagnosis
from airflow_kubeflow_trainer.trainjob.diagnosis.evidence import MAX_PODS, Evidence
from airflow_kubeflow_trainer.trainjob.diagnosis.explaining import (
    diagnose_failure,
    diagnose_not_started,
    diagnose_success,
)

__all__ = [
    "MAX_PODS",
    "Cause",
    "Diagnosis",
    "Evidence",
    "diagnose_failure",
    "diagnose_not_started",
    "diagnose_success",
]
