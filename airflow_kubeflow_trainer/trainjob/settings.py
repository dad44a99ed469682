"""What TorchTune's recipe will find under a key: what overrides say, else fields, else TorchTune's own config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.values import renders_later
from airflow_kubeflow_trainer.trainjob.recipe import (
    CONFIGS,
    LLAMA_1B,
    LLAMA_3B,
    LLAMA_70B,
    QWEN,
    Case,
    NotKnownYetError,
    known,
)

KEYS: Mapping[str, str] = {
    "dtype": "dtype",
    "batch_size": "batch_size",
    "epochs": "epochs",
    "loss": "loss",
    "device": "device",
    "learning_rate": "optimizer.lr",
    "num_warmup_steps": "lr_scheduler.num_warmup_steps",
    "max_steps_per_epoch": "max_steps_per_epoch",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "clip_grad_norm": "clip_grad_norm",
    "seed": "seed",
    "shuffle": "shuffle",
    "packed": "dataset.packed",
    "max_seq_len": "tokenizer.max_seq_len",
    "compile": "compile",
    "enable_activation_checkpointing": "enable_activation_checkpointing",
    "enable_activation_offloading": "enable_activation_offloading",
    "optimizer_in_bwd": "optimizer_in_bwd",
    "save_adapter_weights_only": "save_adapter_weights_only",
    "resume_from_checkpoint": "resume_from_checkpoint",
    "log_every_n_steps": "log_every_n_steps",
}
"""TorchTune's key of each field that stands for one."""

_FIELDS = {key: name for name, key in KEYS.items()}

_MOSTLY: Mapping[str, Any] = {
    "device": "cuda",
    "dtype": "bf16",
    "clip_grad_norm": None,
    "gradient_accumulation_steps": 8,
    "optimizer_in_bwd": False,
    "optimizer._component_": "torch.optim.AdamW",
    "enable_activation_checkpointing": False,
    "enable_activation_offloading": False,
    "resume_from_checkpoint": False,
    "dataset.packed": False,
    "tokenizer.max_seq_len": None,
}
_IN_BACKWARD = {
    "gradient_accumulation_steps": 1,
    "optimizer_in_bwd": True,
    "optimizer._component_": "bitsandbytes.optim.PagedAdamW8bit",
}
_RECOMPUTED = {"enable_activation_checkpointing": True}
_LARGE = {"gradient_accumulation_steps": 1, **_RECOMPUTED}
_OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    f"{LLAMA_1B}_full_single_device": _IN_BACKWARD,
    **{f"{LLAMA_3B}_{variant}": _RECOMPUTED for variant in ("full", "lora_single_device", "qlora_single_device")},
    f"{LLAMA_3B}_full_single_device": {**_IN_BACKWARD, **_RECOMPUTED},
    f"{QWEN}_full": _LARGE,
    f"{QWEN}_full_single_device": {
        **_IN_BACKWARD,
        **_RECOMPUTED,
        "optimizer._component_": "bitsandbytes.optim.PagedAdamW",
    },
    f"{LLAMA_70B}_full": _LARGE,
    f"{LLAMA_70B}_full_multinode": {**_LARGE, "dataset.packed": True, "tokenizer.max_seq_len": 1024},
    f"{LLAMA_70B}_lora": _LARGE,
    f"{LLAMA_70B}_qlora": _LARGE,
}
"""Where a config of torchtune 0.6.1 differs from most."""


def preset(config: str, key: str) -> Any:
    """Give a key's value in one of TorchTune's configs."""
    return _OTHERWISE.get(config, {}).get(key, _MOSTLY[key])


def setting(case: Case, key: str) -> Any:
    """Give the value that the recipe will find under a key.

    :raises NotKnownYetError: a template stands there, or it depends on the recipe, which is not known.
    """
    said = case.overrides
    if f"~{key}" in said:
        return None
    if key in said:
        return known(said[key])
    value = _option(case, key)
    if value is None:
        value = known(getattr(case.config, _FIELDS[key]))
    return _default(case, key) if value is None else value


def component(case: Case, name: str) -> str | None:
    """Give the dotted name of a component that the author has chosen; None where he has left it to the recipe."""
    said = case.overrides
    chosen = said.get(f"{name}._component_", said.get(name))
    if chosen is None and name == "dataset":
        chosen = _dataset(case)
    elif chosen is None:
        chosen = getattr(case.config, name, None)
    if isinstance(chosen, Mapping) and not renders_later(chosen):
        chosen = chosen.get("_component_")
    return None if chosen is None else str(known(chosen))


def optimizer(case: Case) -> str:
    """Give the dotted name of the optimizer, the recipe's own included."""
    return component(case, "optimizer") or str(_default(case, "optimizer._component_"))


def _option(case: Case, key: str) -> Any:
    """Give what the data set's builder is told beside its fields."""
    root, _, name = key.partition(".")
    dataset = case.config.dataset_preprocess_config
    if root != "dataset" or dataset is None:
        return None
    if is_template(dataset):
        raise NotKnownYetError
    return known(known(getattr(dataset, "options", {})).get(name))


def _dataset(case: Case) -> str | None:
    dataset = case.config.dataset_preprocess_config
    if is_template(dataset):
        raise NotKnownYetError
    return None if dataset is None else dataset.component


def _default(case: Case, key: str) -> Any:
    """Give a key's value in the config that Trainer will choose, or in all of those that it may choose."""
    values = [preset(config, key) for config in _candidates(case)]
    if any(value != values[0] for value in values):
        raise NotKnownYetError
    return values[0]


def _candidates(case: Case) -> list[str]:
    try:
        return [case.recipe.config]
    except NotKnownYetError:
        return [f"{model}_{variant}" for model in _models(case) for variant in CONFIGS[model] if _fits(case, variant)]


def _models(case: Case) -> Iterator[str]:
    try:
        yield case.model
    except NotKnownYetError:
        yield from CONFIGS


def _fits(case: Case, variant: str) -> bool:
    """Whether Trainer may choose a variant, for all that is known."""
    try:
        if (case.nodes > 1) != (variant == "full_multinode"):
            return False
    except NotKnownYetError:
        pass
    try:
        return case.lora != variant.startswith("full")
    except NotKnownYetError:
        return True
