"""What Trainer's torch plugin refuses: reserved variables and TorchTune's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_kubeflow_trainer.local.admission.errors import FieldError, invalid
from airflow_kubeflow_trainer.local.trainer import quantities, torchtune
from airflow_kubeflow_trainer.local.trainer.constants import TUNE_RUN
from airflow_kubeflow_trainer.local.trainer.policies import resources_per_node
from airflow_kubeflow_trainer.local.trainer.template import (
    Template,
    container,
    pod_spec,
)

RESERVED_ENV = (
    "PET_NNODES",
    "PET_NPROC_PER_NODE",
    "PET_NODE_RANK",
    "PET_MASTER_ADDR",
    "PET_MASTER_PORT",
)


def torch_errors(template: Template, trainjob: dict[str, Any]) -> Iterator[FieldError]:
    """Check a TrainJob whose runtime has the torch policy; others pass."""
    if not template.has_policy("torch"):
        return
    yield from _injection_errors(template)
    trainer = trainjob["spec"].get("trainer")
    if trainer is None:
        return
    env = trainer.get("env", [])
    reserved = sorted({variable["name"] for variable in env} & set(RESERVED_ENV))
    if reserved:
        detail = f"must not have reserved envs, invalid envs configured: [{' '.join(reserved)}]"
        yield invalid("spec.trainer.env", env, detail)
    if trainer.get("command") == TUNE_RUN:
        yield from _torchtune_errors(template, trainjob, trainer)


def _injection_errors(template: Template) -> Iterator[FieldError]:
    injection = ((template.policy or {})["torch"] or {}).get("envInjection") or {}
    for target in injection.get("targets", []):
        job = next((job for job in template.jobs if job["name"] == target["jobName"]), None)
        for name in target.get("containerNames", []):
            known = job is not None and (
                container(job, name) or any(item["name"] == name for item in pod_spec(job).get("initContainers", []))
            )
            if not known:
                detail = (
                    f'envInjection target podSet "{target["jobName"]}" container "{name}" not found in runtime template'
                )
                yield invalid("spec.runtimeRef", target, detail)


def _torchtune_errors(template: Template, trainjob: dict[str, Any], trainer: dict[str, Any]) -> Iterator[FieldError]:
    runtime = trainjob["spec"]["runtimeRef"]["name"]
    model, nodes = torchtune.model_of(runtime), trainer.get("numNodes", 1)
    args = trainer.get("args") or []
    if model not in torchtune.MODELS:
        detail = f"must have a supported pretrained model, invalid model configured: {model}"
        yield invalid("spec.runtimeRef.name", runtime, detail)
    if nodes > 1 and model != torchtune.LLAMA_70B:
        yield invalid("spec.trainer.numNodes", nodes, f"must be 1 for {model} model")
    yield from _qlora_errors(template, trainjob, trainer, model, nodes)
    if nodes > 1 and (torchtune.uses_lora(args) or torchtune.uses_qlora(args)):
        detail = "LoRA fine-tuning is not supported for multi-node training in TorchTune"
        yield invalid("spec.trainer.numNodes", nodes, detail)
    for i, arg in enumerate(args):
        key = arg.partition("=")[0]
        if key in torchtune.IMMUTABLE_CONFIGS:
            detail = f'must not set immutable config "{key}" in trainer args; it is managed by the runtime'
            yield invalid(f"spec.trainer.args[{i}]", arg, detail)


def _qlora_errors(
    template: Template,
    trainjob: dict[str, Any],
    trainer: dict[str, Any],
    model: str,
    nodes: int,
) -> Iterator[FieldError]:
    runtime = trainjob["spec"]["runtimeRef"]["name"]
    processes: int | str = trainer.get("numProcPerNode", "auto")
    _, config = torchtune.recipe_and_config(
        runtime_name=runtime,
        args=trainer.get("args") or [],
        nodes=nodes,
        processes=processes,
        gpus=quantities.gpus(resources_per_node(template, trainjob)),
    )
    if "_qlora" not in config:
        return
    if model == torchtune.QWEN:
        yield invalid("spec.runtimeRef.name", runtime, f"QLoRA is not supported for {model} model")
    if "_qlora_single_device" not in config and model in (
        torchtune.LLAMA_1B,
        torchtune.LLAMA_3B,
    ):
        when = f"for {model} model when using QLoRA"
        yield invalid("spec.trainer.numProcPerNode", processes, f"must be auto or 1 {when}")
        wanted = trainer.get("resourcesPerNode")
        yield invalid(
            "spec.trainer.resourcesPerNode",
            wanted,
            f"must have gpu resource with value 1 {when}",
        )
