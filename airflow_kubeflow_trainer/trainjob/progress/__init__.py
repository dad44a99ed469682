"""How far a training is: read from its log and its TrainJob, kept in bounded memory, told in one bounded record.

Pure: no I/O, no Airflow, no Kubernetes client. :class:`Progress` takes lines, :class:`Recorder` adds what the cluster
tells and makes the record that the Training tab shows. docs/progress.md describes lines and record.
"""

from airflow_kubeflow_trainer.trainjob.progress.moments import entered_at
from airflow_kubeflow_trainer.trainjob.progress.record import (
    EPOCHS_ARGUMENT,
    MAX_RECORD_BYTES,
    RECORD_VERSION,
    XCOM_KEY,
    Recorder,
)
from airflow_kubeflow_trainer.trainjob.progress.tracker import Progress

__all__ = [
    "EPOCHS_ARGUMENT",
    "MAX_RECORD_BYTES",
    "RECORD_VERSION",
    "XCOM_KEY",
    "Progress",
    "Recorder",
    "entered_at",
]
