"""Changes to a runtime for one TrainJob, typed to what Trainer 2.3 admits.

Source: trainer v2.3 pkg/apis/trainer/v1alpha1/trainjob_types.go. A patch can add volumes, mounts and environment, and
steer scheduling; it cannot add a container, change an image or a command, and it cannot give trainers and initializers
environment (those have fields of their own).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AliasGenerator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from airflow_kubeflow_trainer.config import messages
from airflow_kubeflow_trainer.config.base import ConfigModel, field_check
from airflow_kubeflow_trainer.config.environment import Environment, env_entries
from airflow_kubeflow_trainer.config.kubernetes import (
    MAX_NAME,
    Affinity,
    ImagePullSecret,
    PodSecurityContext,
    SchedulingGate,
    SecurityContext,
    Toleration,
    Volume,
    VolumeMount,
)

DEFAULT_MANAGER = "airflow.kubeflow-trainer.io/dag"
"""Manager of patches whose author names none: Trainer wants a domain-prefixed path."""

_DOMAIN_PREFIXED_PATH = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
)
"""As Trainer's admission checks it (k8s.io/apimachinery, IsDomainPrefixedPath)."""

_OWN_ENV = ("node", "dataset-initializer", "model-initializer")


class _Patch(ConfigModel):
    # Both the SDK's snake_case and the wire's camelCase are read.
    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=to_camel), populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """Give the patch as the API wants it."""
        return {to_camel(name): _wire(value) for name, value in self.plain_models().items()}

    def plain_models(self) -> dict[str, Any]:
        """Give the fields that were set, models among them as models."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def _wire(value: Any) -> Any:
    if isinstance(value, _Patch):
        return value.wire()
    if isinstance(value, list):
        return [_wire(item) for item in value]
    return value


def _told_apart(by: str) -> AfterValidator:
    """Make the check that no two of a list are the same; Trainer tells them apart by one field."""

    def check(items: list[Any]) -> list[Any]:
        found = [item.get(by) if isinstance(item, dict) else getattr(item, by, None) for item in items]
        for name in found:
            if isinstance(name, str) and found.count(name) > 1:
                raise ValueError(f"{by} {name!r} is given twice")
        return items

    return AfterValidator(check)


class Metadata(_Patch):
    """Labels and annotations."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class ContainerPatch(_Patch):
    """Changes to a container that the runtime has already."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    """Name of the container in the runtime."""
    env: Environment | None = None
    """Not for the containers node, dataset-initializer and model-initializer, which Trainer refuses."""
    volume_mounts: Annotated[list[VolumeMount], _told_apart("mountPath")] | None = None
    """Kubernetes VolumeMounts."""
    security_context: SecurityContext | None = None
    """Kubernetes SecurityContext."""

    @model_validator(mode="after")
    def _check_env(self) -> Self:
        if self.env and self.name in _OWN_ENV:
            raise messages.about(
                "env",
                f"of container {self.name!r} cannot be patched: use env of the config (node) or of the initializer",
            )
        return self

    def wire(self) -> dict[str, Any]:
        found = super().wire()
        return found | {"env": env_entries(self.env)} if self.env is not None else found


class PodSpecPatch(_Patch):
    """Changes to the pods of a replicated job."""

    service_account_name: str | None = Field(default=None, max_length=MAX_NAME)
    volumes: Annotated[list[Volume], _told_apart("name")] | None = None
    """Kubernetes Volumes. The name ``initializer`` belongs to the runtime's own claim."""
    init_containers: Annotated[list[ContainerPatch], _told_apart("name")] | None = None
    containers: Annotated[list[ContainerPatch], _told_apart("name")] | None = None
    image_pull_secrets: Annotated[list[ImagePullSecret], _told_apart("name")] | None = None
    security_context: PodSecurityContext | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[Toleration] | None = None
    scheduling_gates: Annotated[list[SchedulingGate], _told_apart("name")] | None = None
    termination_grace_period_seconds: int | None = Field(default=None, ge=0, lt=2**63)

    @field_check("volumes")
    def _check_volumes(cls, value: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        if any(volume.get("name") == "initializer" for volume in value or []):
            raise ValueError("the volume name 'initializer' belongs to the runtime's own claim; choose another")
        return value


class PodTemplatePatch(_Patch):
    """Pods: metadata and spec."""

    metadata: Metadata | None = None
    spec: PodSpecPatch | None = None


class JobSpecPatch(_Patch):
    """Jobs: their pods."""

    template: PodTemplatePatch | None = None


class JobTemplatePatch(_Patch):
    """Jobs: metadata and spec."""

    metadata: Metadata | None = None
    spec: JobSpecPatch | None = None


class ReplicatedJobPatch(_Patch):
    """One replicated job of the runtime."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    """Its name in the runtime: ``node``, ``dataset-initializer``, ``model-initializer``, ..."""
    template: JobTemplatePatch | None = None


class JobSetSpecPatch(_Patch):
    """The JobSet's replicated jobs."""

    replicated_jobs: Annotated[list[ReplicatedJobPatch], _told_apart("name")] | None = None


class JobSetTemplatePatch(_Patch):
    """The JobSet: metadata and spec."""

    metadata: Metadata | None = None
    spec: JobSetSpecPatch | None = None


class TrainingRuntimeSpecPatch(_Patch):
    """What a runtime says."""

    template: JobSetTemplatePatch | None = None


class RuntimePatch(_Patch):
    """Changes by one manager; each manager has one patch."""

    manager: str = Field(default=DEFAULT_MANAGER, max_length=MAX_NAME)
    """Who makes the change, as a domain-prefixed path such as ``example.com/team``."""
    training_runtime_spec: TrainingRuntimeSpecPatch | None = None

    @field_check("manager")
    def _check_manager(cls, value: str) -> str:
        if not _DOMAIN_PREFIXED_PATH.fullmatch(value):
            raise ValueError(f"{value!r} must be a domain-prefixed path, such as 'example.com/team'")
        return value

    def wire(self) -> dict[str, Any]:
        return {"manager": self.manager, **super().wire()}
