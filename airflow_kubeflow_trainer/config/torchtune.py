"""How an LLM is fine-tuned by TorchTune: the Kubeflow SDK's fields, and what its users miss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from airflow_kubeflow_trainer.config.base import ConfigModel, attributes, field_check, from_text
from airflow_kubeflow_trainer.config.datasets import (
    TorchTuneChatDataset,
    TorchTuneDataset,
    TorchTuneDatasetBase,
    TorchTuneInstructDataset,
    TorchTuneTextCompletionDataset,
)
from airflow_kubeflow_trainer.config.environment import Environment
from airflow_kubeflow_trainer.config.markers import is_template
from airflow_kubeflow_trainer.config.resources import Resources

Count = Field(default=None, ge=1)


AttentionModule = Literal["q_proj", "k_proj", "v_proj", "output_proj"]


class DataType(StrEnum):
    """Data type of the weights."""

    BF16 = "bf16"
    FP32 = "fp32"


class Loss(StrEnum):
    """Loss functions of TorchTune; any other goes by its dotted name."""

    CEWithChunkedOutputLoss = "torchtune.modules.loss.CEWithChunkedOutputLoss"


class LoraConfig(ConfigModel):
    """Low-rank adaptation: LoRA, DoRA (``use_dora``), or QLoRA (``quantize_base``)."""

    apply_lora_to_mlp: bool | None = None
    """Adapt the MLP of each layer too. Default: the recipe's."""
    apply_lora_to_output: bool | None = None
    """Adapt the output projection too. Default: the recipe's."""
    lora_attn_modules: list[AttentionModule] = Field(default=["q_proj", "v_proj", "output_proj"])
    """Attention projections to adapt."""
    lora_rank: int | None = Count
    """Rank of the update. Default: the recipe's."""
    lora_alpha: float | None = Field(default=None, gt=0)
    """Scale of the update. Default: the recipe's."""
    lora_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Probability of dropping an activation in the adapter. Default: the recipe's."""
    quantize_base: bool | None = None
    """Keep the base model in 4 bits (QLoRA). Default: False."""
    use_dora: bool | None = None
    """Learn magnitude and direction apart (DoRA). Default: False."""

    @field_check("lora_attn_modules")
    def _check_modules(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError(
                "must not be empty: Trainer tells LoRA by this key, and would choose the recipe for full fine-tuning; "
                "leave peft_config out for that"
            )
        return value


class TorchTuneConfig(ConfigModel):
    """What to train and how. A field that is left out keeps the value of TorchTune's recipe."""

    dtype: DataType | None = None
    """Data type of the weights and the optimizer: bf16 or fp32."""
    batch_size: int | None = Count
    """Samples per step and device."""
    epochs: int | None = Count
    """Passes over the data set."""
    loss: Loss | str | None = None
    """Dotted name of the loss function."""
    num_nodes: int | None = Count
    """Nodes that train together. Only the 70B model has a recipe for more than one."""
    peft_config: LoraConfig | None = None
    """Train a LoRA, DoRA or QLoRA adapter. Default: full fine-tuning."""
    dataset_preprocess_config: TorchTuneDatasetBase | None = None
    """How the data set is read. Default: TorchTune's own data set, which is hardly ever what you want."""
    resources_per_node: Resources | None = None
    """Resources of each node, for example ``{"gpu": 1, "memory": "64Gi"}``. Default: the runtime's."""

    num_proc_per_node: int | None = Count
    """Processes per node. Default: one for each GPU, else one for each CPU."""
    env: Environment = Field(default_factory=dict)
    """Environment of the training: text, or ``SecretRef(name, key=...)``."""
    device: Literal["cuda", "cpu", "mps", "xpu", "npu"] | None = None
    """Where to train. Default: the recipe's, ``cuda``."""
    learning_rate: float | None = Field(default=None, gt=0)
    """The optimizer's ``lr``."""
    optimizer: str | dict[str, Any] | None = None
    """Dotted name of the optimizer, or a dict with ``_component_`` and its arguments."""
    lr_scheduler: str | dict[str, Any] | None = None
    """Dotted name of the scheduler, or a dict with ``_component_`` and its arguments."""
    num_warmup_steps: int | None = Field(default=None, ge=0)
    """Steps in which the learning rate rises to its value."""
    max_steps_per_epoch: int | None = Count
    """End each epoch after so many steps."""
    gradient_accumulation_steps: int | None = Count
    """Batches whose gradients make one step."""
    clip_grad_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the gradients."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of all random numbers. Default: none, so runs differ."""
    shuffle: bool | None = None
    """Shuffle the data set in each epoch."""
    packed: bool | None = None
    """Pack several samples into one sequence; needs max_seq_len."""
    max_seq_len: int | None = Count
    """Tokens of the longest sequence; longer samples are cut."""
    compile: bool | None = None
    """Compile the model by torch.compile."""
    enable_activation_checkpointing: bool | None = None
    """Compute activations again in the backward pass: less memory, more time."""
    enable_activation_offloading: bool | None = None
    """Keep activations in the host's memory; needs enable_activation_checkpointing."""
    optimizer_in_bwd: bool | None = None
    """Step in the backward pass: less memory, no gradient accumulation. For full fine-tuning only."""
    save_adapter_weights_only: bool | None = None
    """Save the adapter alone, not the merged model. For LoRA only."""
    resume_from_checkpoint: bool | None = None
    """Go on from the checkpoint in the checkpoint folder."""
    log_every_n_steps: int | None = Count
    """Steps between two lines of metrics."""
    metric_logger: str | dict[str, Any] | None = None
    """``stdout``, ``disk``, ``tensorboard``, ``wandb``, ``comet``, or a dict with ``_component_``. Default ``stdout``,
    so that the loss is in the pod's log, and in Airflow's, while it trains."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Any other TorchTune key by its dotted name; ``{"~key": None}`` deletes one. These come last and win."""

    @field_validator("dataset_preprocess_config", mode="before")
    @classmethod
    def _choose_dataset(cls, value: Any, info: ValidationInfo) -> Any:
        value = from_text(value, dict)
        if value is None or isinstance(value, TorchTuneDatasetBase) or is_template(value):
            return value
        data = attributes(value, field="dataset_preprocess_config")
        kinds = (TorchTuneInstructDataset, TorchTuneChatDataset, TorchTuneTextCompletionDataset, TorchTuneDataset)
        fitting = (kind for kind in kinds if data.keys() <= kind.model_fields.keys() and _needs(kind) <= data.keys())
        return next(fitting, TorchTuneInstructDataset).nested(data, info)

    @field_validator("overrides", mode="before")
    @classmethod
    def _overrides_as_dict(cls, value: Any) -> Any:
        """Accept TorchTune's own command line too: ``["a.b=1", "~c"]``."""
        value = from_text(value, dict)
        if isinstance(value, list | tuple):
            pairs = (str(item).partition("=") for item in value)
            value = {key: {_YAML: text} if sep else None for key, sep, text in pairs}
        if not isinstance(value, Mapping):
            return value
        return {key: _mark(item) for key, item in value.items()}

    @field_check("overrides")
    def _check_deletions(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for key, item in value.items():
            if key.startswith("~") and item is not None:
                raise ValueError(f"{key!r} deletes a key, so its value must be None, not {item!r}")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.packed is True and self.max_seq_len is None and "tokenizer.max_seq_len" not in _keys(self.overrides):
            raise ValueError("packed needs max_seq_len: packing fills sequences of that length")
        if self.enable_activation_offloading is True and self.enable_activation_checkpointing is False:
            raise ValueError("enable_activation_offloading needs enable_activation_checkpointing=True")
        if self.peft_config is None and self.save_adapter_weights_only is True:
            raise ValueError("save_adapter_weights_only needs peft_config: full fine-tuning has no adapter")
        if self.optimizer_in_bwd is True and not is_template(self.peft_config) and self.peft_config is not None:
            raise ValueError("optimizer_in_bwd is for full fine-tuning only: leave peft_config out")
        return self


_YAML = "$yaml"
"""Marks a value that is still text and will be read as YAML: a template's outcome has no type of its own."""


_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def _mark(value: Any) -> Any:
    if isinstance(value, str) and is_template(value):
        return {_YAML: value}
    if isinstance(value, Mapping) and set(value) == {_YAML} and not is_template(value[_YAML]):
        return _read_yaml(value[_YAML])
    return value


def _read_yaml(text: Any) -> Any:
    import yaml

    if not isinstance(text, str):
        return text
    value = yaml.safe_load(text)
    # YAML 1.1 takes 1e-3 for text; TorchTune's reader does not.
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _needs(kind: type[ConfigModel]) -> set[str]:
    return {name for name, field in kind.model_fields.items() if field.is_required()}


def _keys(overrides: Any) -> set[str]:
    return set(overrides) if isinstance(overrides, Mapping) else set()
