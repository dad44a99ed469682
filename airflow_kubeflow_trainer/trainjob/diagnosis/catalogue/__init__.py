"""The causes that are known by their message: data, which :mod:`..judging` reads.

docs/failures.md lists them; tests/unit/diagnosis has a real message of each.
"""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.accelerators import ACCELERATORS
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.data import DATA
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.distributed import DISTRIBUTED
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.ending import ENDING
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.hub import HUB
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.images import IMAGES
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.programs import PROGRAMS
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.scheduling import SCHEDULING
from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.torchtune import TORCHTUNE

__all__ = ["CATALOGUE", "Entry", "Source", "Weight"]

CHAPTERS: dict[str, tuple[Entry, ...]] = {
    "GPUs and memory": ACCELERATORS,
    "Several processes and nodes": DISTRIBUTED,
    "Hugging Face Hub and S3": HUB,
    "Data, checkpoints and disks": DATA,
    "TorchTune": TORCHTUNE,
    "Programs": PROGRAMS,
    "What the cluster ends": ENDING,
    "Images and containers that do not start": IMAGES,
    "Pods that find no place": SCHEDULING,
}

CATALOGUE: tuple[Entry, ...] = tuple(entry for chapter in CHAPTERS.values() for entry in chapter)
