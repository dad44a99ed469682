"""What Trainer makes of ``command: [tune, run]``: model, recipe, config, and the rules for them."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.trainer.constants import NODE, TRAINER_PORT
from airflow_kubeflow_trainer.local.trainer.template import Template

IMMUTABLE_CONFIGS = (
    "output_dir",
    "tokenizer.path",
    "checkpointer.checkpoint_dir",
    "tokenizer.merges_file",
)
"""Keys that only the runtime may set."""

LLAMA_1B, LLAMA_3B, LLAMA_70B, QWEN = (
    "llama3_2/1B",
    "llama3_2/3B",
    "llama3_3/70B",
    "qwen2_5/1.5B",
)
MODELS = (LLAMA_1B, LLAMA_3B, LLAMA_70B, QWEN)


def model_of(runtime_name: str) -> str:
    """Return the model that a runtime's name stands for; the empty string where it stands for none."""
    fields = runtime_name.split("-")
    return f"{fields[1].replace('.', '_')}/{fields[2].upper()}" if len(fields) == 3 else ""


def recipe_and_config(
    *, runtime_name: str, args: list[str], nodes: int, processes: int | str, gpus: int
) -> tuple[str, str]:
    """Choose recipe and config file.

    :param processes: the TrainJob's numProcPerNode, ``auto`` where it says nothing.
    :param gpus: GPUs per node.
    """
    qlora, lora = uses_qlora(args), uses_lora(args)
    single_device = nodes == 1 and (processes == 1 or gpus == 1)
    scope = "single_device" if single_device else "distributed"
    suffix = "_single_device" if single_device else ""
    if nodes == 1 and (qlora or lora):
        recipe, config = (
            f"lora_finetune_{scope}",
            ("_qlora" if qlora else "_lora") + suffix,
        )
    else:
        recipe = f"full_finetune_{scope}"
        config = "_full_multinode" if nodes > 1 else "_full" + suffix
    return recipe, model_of(runtime_name) + config


def uses_lora(args: list[str]) -> bool:
    return any("model.lora_attn_modules" in arg for arg in args)


def uses_qlora(args: list[str]) -> bool:
    return not _switched_on(args, "model.use_dora") and _switched_on(args, "model.quantize_base")


def _switched_on(args: list[str], key: str) -> bool:
    pairs = (arg.partition("=") for arg in args)
    return any(equals and key in name and value.strip().lower() == "true" for name, equals, value in pairs)


def command(
    *,
    template: Template,
    trainjob: dict[str, Any],
    nodes: int,
    processes: int | str,
    gpus: int,
) -> list[str]:
    """Return what Trainer appends to ``tune run``."""
    name = trainjob["metadata"]["name"]
    words = []
    if nodes > 1 or (isinstance(processes, int) and processes > 1) or (processes == "auto" and gpus > 1):
        words.append(f"--rdzv_endpoint={name}-{NODE}-0-0.{name}:{TRAINER_PORT}")
    recipe, config = recipe_and_config(
        runtime_name=trainjob["spec"]["runtimeRef"]["name"],
        args=trainjob["spec"]["trainer"].get("args") or [],
        nodes=nodes,
        processes=processes,
        gpus=gpus,
    )
    container = template.trainer_container() or {}
    kept = [word for word in container.get("command") or [] if word.split("=")[0] in IMMUTABLE_CONFIGS]
    return [*words, recipe, "--config", config, *kept]
