"""What a DAG author writes. Nothing here knows Airflow or talks to a cluster."""

from __future__ import annotations

from airflow_kubeflow_trainer.config.actions import OnFinishAction, OnKillAction
from airflow_kubeflow_trainer.config.datasets import (
    DataFormat,
    TorchTuneChatDataset,
    TorchTuneDataset,
    TorchTuneInstructDataset,
    TorchTuneTextCompletionDataset,
)
from airflow_kubeflow_trainer.config.initializers import (
    DataCacheInitializer,
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    HuggingFaceModelInitializer,
    Initializer,
    ModelInitializer,
    S3DatasetInitializer,
    S3ModelInitializer,
)
from airflow_kubeflow_trainer.config.markers import literal
from airflow_kubeflow_trainer.config.output import PersistentVolumeOutput
from airflow_kubeflow_trainer.config.patches import (
    ContainerPatch,
    JobSetSpecPatch,
    JobSetTemplatePatch,
    JobSpecPatch,
    JobTemplatePatch,
    Metadata,
    PodSpecPatch,
    PodTemplatePatch,
    ReplicatedJobPatch,
    RuntimePatch,
    TrainingRuntimeSpecPatch,
)
from airflow_kubeflow_trainer.config.secrets import SecretRef
from airflow_kubeflow_trainer.config.torchtune import DataType, LoraConfig, Loss, TorchTuneConfig

__all__ = [
    "ContainerPatch",
    "DataCacheInitializer",
    "DataFormat",
    "DataType",
    "DatasetInitializer",
    "HuggingFaceDatasetInitializer",
    "HuggingFaceModelInitializer",
    "Initializer",
    "JobSetSpecPatch",
    "JobSetTemplatePatch",
    "JobSpecPatch",
    "JobTemplatePatch",
    "LoraConfig",
    "Loss",
    "Metadata",
    "ModelInitializer",
    "OnFinishAction",
    "OnKillAction",
    "PersistentVolumeOutput",
    "PodSpecPatch",
    "PodTemplatePatch",
    "ReplicatedJobPatch",
    "RuntimePatch",
    "S3DatasetInitializer",
    "S3ModelInitializer",
    "SecretRef",
    "TorchTuneChatDataset",
    "TorchTuneConfig",
    "TorchTuneDataset",
    "TorchTuneInstructDataset",
    "TorchTuneTextCompletionDataset",
    "TrainingRuntimeSpecPatch",
    "literal",
]
