"""What the containers of one pod need of their kubelet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet.ending import Ending
from airflow_kubeflow_trainer.local.kubelet.environment import ConfigSource
from airflow_kubeflow_trainer.local.kubelet.events import EventRecorder, EventType
from airflow_kubeflow_trainer.local.kubelet.gpus import GpuAllocator
from airflow_kubeflow_trainer.local.kubelet.images import Image
from airflow_kubeflow_trainer.local.kubelet.isolation import JobSandbox
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.records import PodRecord
from airflow_kubeflow_trainer.local.kubelet.volumes import Volumes


@dataclass(frozen=True, kw_only=True)
class NodeContext:
    """What all pods of the node share."""

    images: Mapping[str, Image]
    events: EventRecorder
    gpus: GpuAllocator
    allocatable: Mapping[str, str]
    restart_backoff_seconds: float
    log_segment_bytes: int
    log_segments: int


@dataclass(frozen=True, kw_only=True)
class PodContext:
    """One pod on its way through life."""

    node: NodeContext
    pod: Pod
    """As it was when it came: what containers are made of cannot change."""
    record: PodRecord
    folder: Path
    sandbox: JobSandbox
    volumes: Volumes
    source: ConfigSource
    ending: Ending
    changed: Callable[[], None]
    """Saves the record and reports the status."""

    def tell(self, *, kind: EventType, reason: str, message: str) -> None:
        self.node.events.tell(self.pod, kind=kind, reason=reason, message=message)
