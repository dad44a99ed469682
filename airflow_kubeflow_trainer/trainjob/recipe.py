"""Which TorchTune recipe and config Trainer will choose, worked out beforehand.

Trainer chooses by runtime name, nodes, processes, GPUs and two arguments; some choices it admits die in the pod. This
follows it step by step, its quirks included.
Source: trainer v2.3 pkg/runtime/framework/plugins/torch/torchtune.go and torch.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.config.resources import resource_name, resource_requirements
from airflow_kubeflow_trainer.config.torchtune import TorchTuneConfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

LLAMA_1B, LLAMA_3B, LLAMA_70B, QWEN = "llama3_2/1B", "llama3_2/3B", "llama3_3/70B", "qwen2_5/1.5B"

IMMUTABLE_KEYS = ("output_dir", "tokenizer.path", "tokenizer.merges_file", "checkpointer.checkpoint_dir")
"""Keys that the runtime sets, and admission refuses."""

_SMALL = ("full", "full_single_device", "lora", "lora_single_device")
CONFIGS: Mapping[str, tuple[str, ...]] = {
    LLAMA_1B: (*_SMALL, "qlora_single_device"),
    LLAMA_3B: (*_SMALL, "qlora_single_device"),
    QWEN: _SMALL,
    LLAMA_70B: ("full", "full_multinode", "lora", "qlora"),
}
"""Configs that torchtune 0.6.1 has, by model."""


@dataclass(frozen=True)
class Recipe:
    """A recipe of TorchTune, and the config it starts from."""

    name: str
    """For example ``lora_finetune_single_device``."""
    model: str
    """For example ``llama3_2/1B``."""
    variant: str
    """For example ``lora_single_device``."""

    @property
    def config(self) -> str:
        """Name of the config, as ``tune run --config`` takes it."""
        return f"{self.model}_{self.variant}"

    @property
    def full(self) -> bool:
        return self.variant.startswith("full")

    @property
    def single_device(self) -> bool:
        return self.variant.endswith("single_device")


def choose(runtime: RuntimeView, config: TorchTuneConfig) -> Recipe:
    """Say which recipe Trainer will choose.

    :raises ConfigError: the runtime's name does not tell a model that Trainer knows.
    """
    model = model_of(runtime.name)
    lora, qlora = _is_lora(config), _is_qlora(config)
    if (config.num_nodes or 1) > 1:
        return Recipe("full_finetune_distributed", model, "full_multinode")
    if _processes(runtime, config) == 1 or gpus_per_node(runtime, config) == 1:
        variant = "qlora_single_device" if qlora else "lora_single_device" if lora else "full_single_device"
        return Recipe(f"{'lora' if lora else 'full'}_finetune_single_device", model, variant)
    if lora:
        return Recipe("lora_finetune_distributed", model, "qlora" if qlora else "lora")
    return Recipe("full_finetune_distributed", model, "full")


def model_of(runtime: str) -> str:
    """Read the model from a runtime's name: ``torchtune-llama3.2-1b`` trains ``llama3_2/1B``."""
    fields = runtime.split("-")
    model = f"{fields[1].replace('.', '_')}/{fields[2].upper()}" if len(fields) == 3 else ""
    if model not in CONFIGS:
        raise ConfigError(
            f"runtime: {runtime!r} is no TorchTune runtime. Trainer reads the model from the name, which must have "
            "three parts, as in torchtune-llama3.2-1b, torchtune-llama3.3-70b and torchtune-qwen2.5-1.5b"
        )
    return model


def gpus_per_node(runtime: RuntimeView, config: TorchTuneConfig) -> int:
    """Count the GPUs as Trainer does: by any resource whose name holds "gpu", so that MIG slices count for none."""
    resources = _resources(runtime, config)
    counts = (int(quantity) for name, quantity in resources.items() if "gpu" in name.lower())
    return next(counts, 0)


def node_resources(runtime: RuntimeView, config: TorchTuneConfig) -> dict[str, Any] | None:
    """Give the resources that the TrainJob asks for; None where it leaves them to the runtime.

    Trainer merges them into the runtime's, name by name [seen on 2.3]: a job for the CPU would still wait for the stock
    runtimes' two GPUs, so it says that it wants none.
    """
    asked = config.resources_per_node
    if config.device != "cpu":
        return asked
    named = {resource_name(name) for name in asked or {}}
    unwanted = {name: 0 for name in runtime.resources.get("limits") or {} if "/" in name and name not in named}
    return {**(asked or {}), **unwanted} or None


def _processes(runtime: RuntimeView, config: TorchTuneConfig) -> int | None:
    """Count the processes of a node; None where it is one for each GPU."""
    if config.num_proc_per_node is not None or gpus_per_node(runtime, config) > 0:
        return config.num_proc_per_node
    return max(1, _whole(str(_resources(runtime, config).get("cpu", 0))))


def _resources(runtime: RuntimeView, config: TorchTuneConfig) -> Mapping[str, Any]:
    """Give what Trainer counts by: the config's resources, else the runtime's, never both."""
    asked = node_resources(runtime, config)
    resources = runtime.resources if asked is None else resource_requirements(asked)
    return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}


def _whole(quantity: str) -> int:
    return math.ceil(float(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity))


def check(runtime: RuntimeView, config: TorchTuneConfig) -> Recipe:
    """Refuse what Trainer would refuse, and what it would admit although it dies in the pod.

    :raises ConfigError: naming the field and the remedy.
    """
    recipe = choose(runtime, config)
    for problem in (
        _nodes_problem(recipe, config),
        _device_problem(recipe, runtime, config),
        _qlora_problem(recipe, gpus_per_node(runtime, config), config),
        _missing_config(recipe),
        _optimizer_problem(recipe, config),
    ):
        if problem:
            raise ConfigError(f"config.{problem}")
    _check_keys(config.overrides)
    return recipe


def _nodes_problem(recipe: Recipe, config: TorchTuneConfig) -> str | None:
    nodes = config.num_nodes or 1
    if nodes > 1 and _is_lora(config):
        return f"num_nodes: {nodes} with peft_config: TorchTune trains adapters on one node only; set num_nodes=1"
    if nodes > 1 and recipe.model != LLAMA_70B:
        return f"num_nodes: must be 1 for {recipe.model}, not {nodes}: only llama3_3/70B has a recipe for several nodes"
    return None


def _device_problem(recipe: Recipe, runtime: RuntimeView, config: TorchTuneConfig) -> str | None:
    processes = config.num_proc_per_node
    if recipe.single_device and processes is not None and processes > 1:
        return (
            f"num_proc_per_node: {processes} on one GPU: Trainer chooses the recipe for a single device, which dies "
            "with several processes; leave num_proc_per_node out, or ask for more GPUs"
        )
    accelerated = any("/" in name for name in _resources(runtime, config))
    if not accelerated and config.device is None and "device" not in config.overrides:
        return (
            "device: resources_per_node asks for no GPU, and TorchTune's recipes train on cuda: set device='cpu', or "
            "resources_per_node={'gpu': 1}"
        )
    return None


def _qlora_problem(recipe: Recipe, gpus: int, config: TorchTuneConfig) -> str | None:
    if not _is_qlora(config):
        return None
    if recipe.model == QWEN:
        return "peft_config.quantize_base: TorchTune has no QLoRA for qwen2_5/1.5B; leave it out, or set use_dora=True"
    # Admission judges by what the TrainJob says; that one CPU makes one process it learns too late.
    admitted = config.num_proc_per_node == 1 or gpus == 1
    if recipe.model != LLAMA_70B and not admitted:
        return (
            f"peft_config.quantize_base: QLoRA of {recipe.model} trains on one device only: set "
            "resources_per_node={'gpu': 1} or num_proc_per_node=1"
        )
    return None


def _missing_config(recipe: Recipe) -> str | None:
    if recipe.variant in CONFIGS[recipe.model]:
        return None
    return (
        f"resources_per_node: Trainer would choose the config {recipe.config}, which TorchTune does not have; "
        f"{recipe.model} has {', '.join(CONFIGS[recipe.model])}. Ask for several GPUs per node"
    )


def _optimizer_problem(recipe: Recipe, config: TorchTuneConfig) -> str | None:
    if recipe.variant != "full_single_device":
        return None
    set_by_overrides = {key.removeprefix("~") for key in config.overrides}
    if config.device == "cpu" and config.optimizer is None and "optimizer" not in _roots(set_by_overrides):
        return (
            "optimizer: full fine-tuning on a single device uses bitsandbytes' by default, which needs a GPU; on a CPU "
            "set optimizer='torch.optim.AdamW'"
        )
    in_backward = config.optimizer_in_bwd is not False and "optimizer_in_bwd" not in set_by_overrides
    if in_backward and (config.gradient_accumulation_steps or 1) > 1:
        return (
            "gradient_accumulation_steps: full fine-tuning on a single device steps in the backward pass, which leaves "
            "nothing to accumulate: set optimizer_in_bwd=False"
        )
    if in_backward and config.clip_grad_norm is not None:
        return (
            "clip_grad_norm: full fine-tuning on a single device steps in the backward pass, before there is a norm to "
            "clip: set optimizer_in_bwd=False"
        )
    return None


def _check_keys(overrides: Mapping[str, Any]) -> None:
    for key in overrides:
        if key.removeprefix("~") in IMMUTABLE_KEYS:
            raise ConfigError(f"config.overrides: {key!r} is the runtime's to set, and Trainer refuses it here")


def _is_lora(config: TorchTuneConfig) -> bool:
    # Trainer looks for the name in the arguments, wherever it comes from.
    return config.peft_config is not None or any("model.lora_attn_modules" in key for key in config.overrides)


def _is_qlora(config: TorchTuneConfig) -> bool:
    settings = {"model.quantize_base": False, "model.use_dora": False}
    if config.peft_config is not None:
        settings["model.quantize_base"] = config.peft_config.quantize_base is True
        settings["model.use_dora"] = config.peft_config.use_dora is True
    settings |= {key: value is True for key, value in config.overrides.items() if key in settings}
    return settings["model.quantize_base"] and not settings["model.use_dora"]


def _roots(keys: Iterable[str]) -> set[str]:
    return {key.partition(".")[0] for key in keys}
