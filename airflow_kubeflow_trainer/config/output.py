"""Where the trained model is kept."""

from __future__ import annotations

from airflow_kubeflow_trainer.config.arguments import OBJECT_NAME
from airflow_kubeflow_trainer.config.base import ConfigModel, field_check


class PersistentVolumeOutput(ConfigModel):
    """Keep the trained model on a PersistentVolumeClaim, which outlives the TrainJob.

    The claim is mounted at /workspace/output, where TorchTune writes. It must exist in the TrainJob's namespace.
    """

    claim_name: str
    """Name of the claim."""
    sub_path: str | None = None
    """Folder on the volume; ``""`` is the volume itself. Default: one of its own for each try,
    ``<dag>/<run>/<task>/<name of the TrainJob>``."""

    @field_check("claim_name")
    def _check_claim_name(cls, value: str) -> str:
        if not OBJECT_NAME.fullmatch(value):
            raise ValueError(
                f"{value!r} must be the name of a PersistentVolumeClaim: lower-case letters, digits, '-' and '.'"
            )
        return value

    @field_check("sub_path")
    def _check_sub_path(cls, value: str | None) -> str | None:
        if value is not None and (value.startswith("/") or ".." in value.split("/")):
            raise ValueError(f"{value!r} must be a path below the volume's root, without '..' (Kubernetes' subPath)")
        return value
