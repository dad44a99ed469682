"""The TrainJob itself: a pure function of configuration, identity and runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_kubeflow_trainer.config.custom import CustomTrainerConfig
from airflow_kubeflow_trainer.config.environment import env_entries
from airflow_kubeflow_trainer.config.initializers import Initializer
from airflow_kubeflow_trainer.config.kubernetes import MAX_PATCHES
from airflow_kubeflow_trainer.config.output import PersistentVolumeOutput
from airflow_kubeflow_trainer.config.patches import RuntimePatch
from airflow_kubeflow_trainer.config.resources import resource_requirements
from airflow_kubeflow_trainer.config.torchtune import TorchTuneConfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.checks import check_resuming, checked_recipe
from airflow_kubeflow_trainer.trainjob.identity import MANAGER, TaskIdentity, path_segment
from airflow_kubeflow_trainer.trainjob.queue import PRIORITY_LABEL, QUEUE_LABEL
from airflow_kubeflow_trainer.trainjob.recipe import Case
from airflow_kubeflow_trainer.trainjob.runtime import (
    DATASET_INITIALIZER,
    MODEL_INITIALIZER,
    OUTPUT_PATH,
    TRAINER,
    RuntimeView,
)
from airflow_kubeflow_trainer.trainjob.script import Call, function_command
from airflow_kubeflow_trainer.trainjob.torchtune import torchtune_arguments

INITIALIZER_VOLUME = "initializer"
"""The runtime's own: another volume of that name would conflict, by an event only."""
OUTPUT_VOLUME = "trained-model"


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What every TrainJob of ours is made of, whatever it trains."""

    name: str
    namespace: str
    runtime: RuntimeView
    identity: TaskIdentity
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    initializer: Initializer | None = None
    output: PersistentVolumeOutput | None = None
    runtime_patches: tuple[RuntimePatch, ...] = ()
    queue_name: str | None = None
    workload_priority_class: str | None = None


def builtin_trainjob(options: JobOptions, config: TorchTuneConfig) -> dict[str, Any]:
    """Make the TrainJob that fine-tunes with TorchTune.

    :raises ConfigError: what cannot work on this runtime, or cannot be carried.
    """
    case = Case.on(options.runtime, config)
    recipe = checked_recipe(case)
    check_resuming(case, fresh_output=_output_is_fresh(options))
    trainer: dict[str, Any] = {
        # Trainer chooses recipe and config only where the command is exactly this.
        "command": ["tune", "run"],
        "args": torchtune_arguments(config, options.initializer, recipe),
    }
    return _trainjob(options, trainer | _nodes(config, case.asked()))


def custom_trainjob(options: JobOptions, config: CustomTrainerConfig, call: Call | None) -> dict[str, Any]:
    """Make the TrainJob that calls a function, or runs a container of its author's.

    :raises ConfigError: the function or its arguments cannot be carried.
    """
    trainer: dict[str, Any] = {}
    if config.image is not None:
        trainer["image"] = config.image
    command, args = config.command, config.args
    if call is not None:
        command, args = function_command(
            call,
            policy=options.runtime.policy,
            packages=config.packages_to_install or (),
            index_urls=config.pip_index_urls or (),
        )
    if command is not None:
        trainer["command"] = list(command)
    if args is not None:
        trainer["args"] = list(args)
    return _trainjob(options, trainer | _nodes(config, config.resources_per_node))


def _nodes(config: TorchTuneConfig | CustomTrainerConfig, resources: Mapping[str, Any] | None) -> dict[str, Any]:
    # Python holds back what it writes to a pipe: progress would come minutes late.
    found: dict[str, Any] = {"env": env_entries({"PYTHONUNBUFFERED": "1", **(config.env or {})})}
    if config.num_nodes is not None:
        found["numNodes"] = config.num_nodes
    if config.num_proc_per_node is not None:
        found["numProcPerNode"] = config.num_proc_per_node
    if resources is not None:
        found["resourcesPerNode"] = resource_requirements(dict(resources))
    return found


def output_location(options: JobOptions) -> dict[str, str] | None:
    """Say where the trained model will lie: what the task returns. None where it is not kept."""
    if options.output is None:
        return None
    return {"claim_name": options.output.claim_name, "sub_path": _sub_path(options), "path": OUTPUT_PATH}


def _trainjob(options: JobOptions, trainer: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": options.runtime.kind,
            "name": options.runtime.name,
        }
    }
    initializer = _initializer(options)
    if initializer:
        spec["initializer"] = initializer
    spec["trainer"] = dict(trainer)
    patches = [patch.wire() for patch in options.runtime_patches]
    if options.output is not None:
        _check_output_is_alone(patches)
    patches = [*_own_patches(options), *patches]
    _check_managers(patches)
    if patches:
        spec["runtimePatches"] = patches
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": options.name,
            "namespace": options.namespace,
            # Ours come last: a task must know its own TrainJob again.
            "labels": {**options.labels, **queue_labels(options), **options.identity.labels()},
            "annotations": {**options.annotations, **options.identity.annotations()},
        },
        "spec": spec,
    }


def queue_labels(options: JobOptions) -> dict[str, str]:
    """Give the labels that Kueue reads of a TrainJob."""
    labels = {QUEUE_LABEL: options.queue_name, PRIORITY_LABEL: options.workload_priority_class}
    return {key: value for key, value in labels.items() if value}


def _initializer(options: JobOptions) -> dict[str, Any]:
    sources = options.initializer
    if sources is None:
        return {}
    found: dict[str, Any] = {}
    for key, step, source in (
        ("dataset", DATASET_INITIALIZER, sources.dataset),
        ("model", MODEL_INITIALIZER, sources.model),
    ):
        if source is None:
            continue
        _check_initializer(options.runtime, step, key)
        found[key] = {"storageUri": source.storage_uri}
        if source.secret_ref is not None and not source.secret_ref.key:
            found[key]["secretRef"] = {"name": source.secret_ref.name}
        env = env_entries(source.variables())
        if env:
            found[key]["env"] = env
    return found


def _check_initializer(runtime: RuntimeView, step: str, key: str) -> None:
    """Refuse what Trainer's admission does (trainer v2.3 pkg/runtime/framework/plugins/jobset/jobset.go)."""
    job = next((job for job in runtime.jobs if job.name == step), None)
    if job is None:
        raise ConfigError(
            f"initializer.{key}: runtime {runtime.name!r} has no {step}; use one that has, or leave this out"
        )
    mounts = {mount for container in job.containers if container.name == step for mount in container.volume_mounts}
    if INITIALIZER_VOLUME not in mounts:
        raise ConfigError(
            f"initializer.{key}: Trainer wants a runtime whose container {step} mounts a volume named "
            f"{INITIALIZER_VOLUME!r}; that of {runtime.name!r} does not"
        )


def in_queue(options: JobOptions) -> bool:
    """Whether Kueue says when the TrainJob may start."""
    return QUEUE_LABEL in {**options.labels, **queue_labels(options)}


def _own_patches(options: JobOptions) -> list[dict[str, Any]]:
    # Kueue 0.15 takes patches away when it admits a TrainJob, whose JobSet then is not to change so, and is never
    # resumed. Labels of pods are not worth that.
    return [] if in_queue(options) and options.output is None else [_own_patch(options)]


def _own_patch(options: JobOptions) -> dict[str, Any]:
    """Patch labels and annotations onto all pods (a TrainJob's own do not reach them), and mount the output."""
    metadata = {
        "labels": {**options.labels, **options.identity.labels()},
        "annotations": {**options.annotations, **options.identity.annotations()},
    }
    jobs = []
    for job in options.runtime.jobs:
        pod: dict[str, Any] = {"metadata": metadata}
        if job.step == TRAINER and options.output is not None:
            pod["spec"] = _output_volume(options, [container.name for container in job.containers][:1])
        jobs.append({"name": job.name, "template": {"spec": {"template": pod}}})
    return {
        "manager": MANAGER,
        "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}},
    }


def _output_volume(options: JobOptions, containers: list[str]) -> dict[str, Any]:
    assert options.output is not None
    mount = {"name": OUTPUT_VOLUME, "mountPath": OUTPUT_PATH, "subPath": _sub_path(options)}
    return {
        "volumes": [{"name": OUTPUT_VOLUME, "persistentVolumeClaim": {"claimName": options.output.claim_name}}],
        "containers": [{"name": name, "volumeMounts": [mount]} for name in containers],
    }


def _sub_path(options: JobOptions) -> str:
    assert options.output is not None
    if options.output.sub_path is not None:
        return options.output.sub_path
    identity = options.identity
    # The TrainJob's name tells tries apart, and ids that make the same folder name.
    return "/".join(path_segment(part) for part in (identity.dag_id, identity.run_id, identity.task_id, options.name))


def _output_is_fresh(options: JobOptions) -> bool:
    """Whether what lies at OUTPUT_PATH begins empty; of a runtime that is patched or not Trainer's, nobody knows."""
    if options.output is not None:
        return options.output.sub_path is None
    return options.runtime.output_dies_with_trainjob and not options.runtime_patches


def _check_output_is_alone(patches: list[dict[str, Any]]) -> None:
    """Refuse patches that meet `output`: Trainer admits them, but no pod can be made, which only an event says."""
    jobs = ("trainingRuntimeSpec", "template", "spec", "replicatedJobs")
    pod = ("template", "spec", "template", "spec")
    for job in (job for patch in patches for job in _at(patch, *jobs)):
        if any(volume.get("name") == OUTPUT_VOLUME for volume in _at(job, *pod, "volumes")):
            raise ConfigError(
                f"runtime_patches: the volume name {OUTPUT_VOLUME!r} belongs to the claim of output; choose another"
            )
        mounts = [mount for container in _at(job, *pod, "containers") for mount in container.get("volumeMounts") or ()]
        if any(str(mount.get("mountPath")).rstrip("/") == OUTPUT_PATH for mount in mounts):
            raise ConfigError(
                f"runtime_patches: {OUTPUT_PATH} is where output mounts its claim; mount elsewhere, or leave output out"
            )


def _at(found: Any, *keys: str) -> Any:
    """Follow keys to a list; none where one of them is missing."""
    for key in keys:
        found = (found or {}).get(key)
    return found or ()


def _check_managers(patches: list[dict[str, Any]]) -> None:
    if len(patches) > MAX_PATCHES:
        raise ConfigError(f"runtime_patches: {len(patches) - 1} patches, and there may be {MAX_PATCHES - 1}; join them")
    managers = [patch["manager"] for patch in patches]
    repeated = sorted({manager for manager in managers if managers.count(manager) > 1})
    if repeated:
        raise ConfigError(f"runtime_patches: each manager may have one patch; {repeated[0]!r} has several. Join them")
