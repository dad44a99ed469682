"""How an LLM is fine-tuned by TorchTune: the Kubeflow SDK's fields, and what its users miss."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from airflow_kubeflow_trainer.config import messages
from airflow_kubeflow_trainer.config.base import ConfigModel, field_check, is_pending, is_rendered
from airflow_kubeflow_trainer.config.commandline import overrides_of
from airflow_kubeflow_trainer.config.datasets import TorchTuneDatasetBase, dataset_class
from airflow_kubeflow_trainer.config.environment import Environment
from airflow_kubeflow_trainer.config.kubernetes import LARGEST_INTEGER
from airflow_kubeflow_trainer.config.plain import attributes
from airflow_kubeflow_trainer.config.resources import Resources
from airflow_kubeflow_trainer.config.text import from_text
from airflow_kubeflow_trainer.config.values import Component, Settings, component, dotted, override, spelt_out

Count = Field(default=None, ge=1, le=LARGEST_INTEGER)


AttentionModule = Literal["q_proj", "k_proj", "v_proj", "output_proj"]


class DataType(StrEnum):
    """Data type of the weights."""

    BF16 = "bf16"
    FP32 = "fp32"


class Loss(StrEnum):
    """Loss functions of TorchTune; any other goes by its dotted name."""

    CEWithChunkedOutputLoss = "torchtune.modules.loss.CEWithChunkedOutputLoss"


METRIC_LOGGERS = ("stdout", "disk", "tensorboard", "wandb", "comet")
"""Metric loggers of TorchTune by their short names; any other goes by its dotted name."""


def _metric_logger(value: Any, info: ValidationInfo[Any]) -> Any:
    if isinstance(value, str) and value in METRIC_LOGGERS:
        return value
    if isinstance(value, str) and not is_pending(value, info) and "." not in value and not value.startswith("{"):
        raise ValueError(f"{value!r} must be one of {', '.join(METRIC_LOGGERS)}, or a dotted name")
    return component(value, info)


MetricLogger = Annotated[str | dict[str, Any], BeforeValidator(_metric_logger)]


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
    loss: str | None = None
    """Loss function: :class:`Loss`, or a dotted name. Default: the recipe's."""
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
    optimizer: Component | None = None
    """Dotted name of the optimizer, or a dict with ``_component_`` and its arguments; arguments alone change those of
    the recipe's optimizer."""
    lr_scheduler: Component | None = None
    """Dotted name of the scheduler, or a dict as for the optimizer."""
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
    """Go on from the checkpoint that an earlier training has left in the output; needs its ``sub_path``."""
    log_every_n_steps: int | None = Count
    """Steps between two lines of metrics."""
    metric_logger: MetricLogger | None = None
    """``stdout``, ``disk``, ``tensorboard``, ``wandb``, ``comet``, or a dotted name or dict as for the optimizer.
    Default ``stdout``, so that the loss is in the pod's log, and in Airflow's, while it trains. The packages of
    ``tensorboard``, ``wandb`` and ``comet`` are not in the image of Trainer's own runtimes."""
    overrides: Settings = Field(default_factory=dict)
    """Any other TorchTune key by its dotted name; ``{"~key": None}`` deletes one. These come last and win.

    What a template renders to is a number, truth value, None, list or dict where it is written as one in Python or
    JSON, and text otherwise or in quotes: ``{"tag": "'{{ params.tag }}'"}``. TorchTune's own command line is read too:
    ``["optimizer.weight_decay=1e-2", "~optimizer.fused"]``."""

    @field_validator("dataset_preprocess_config", mode="before")
    @classmethod
    def _choose_dataset(cls, value: Any, info: ValidationInfo[Any]) -> Any:
        if value is None or isinstance(value, TorchTuneDatasetBase) or is_pending(value, info):
            return value
        if is_rendered(info):
            value = from_text(value, dict)
        if value is None:
            return None
        data = attributes(value, kind="TorchTuneInstructDataset(...), another data set,")
        kind = dataset_class(data)
        if "component" not in kind.model_fields:
            data.pop("component", None)
        return kind.nested(data, info)

    @field_check("loss")
    def _check_loss(cls, value: str | None) -> str | None:
        return value if value is None else dotted(value, example="torch.nn.CrossEntropyLoss")

    @field_validator("overrides", mode="wrap")
    @classmethod
    def _overrides(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo[Any]) -> Any:
        if is_pending(value, info):
            return value
        if is_rendered(info):
            value = from_text(value, dict)
        if isinstance(value, list | tuple):
            value = overrides_of(value)
        if not isinstance(value, Mapping):
            raise ValueError(
                f"must be a dict, or a list such as ['optimizer.lr=1e-3', '~optimizer.fused'], not {value!r}"
            )
        return handler(value)

    @field_validator("overrides", mode="after")
    @classmethod
    def _check_overrides(cls, value: Any, info: ValidationInfo[Any]) -> Any:
        if not is_pending(value, info):
            for key, item in value.items():
                override(key, item, info)
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        by_override = isinstance(self.overrides, Mapping) and "model.lora_attn_modules" in dict(
            spelt_out(self.overrides)
        )
        if self.save_adapter_weights_only is True and self.peft_config is None and not by_override:
            raise messages.about("save_adapter_weights_only", "needs peft_config: full fine-tuning has no adapter")
        if self.optimizer_in_bwd is True and isinstance(self.peft_config, LoraConfig):
            raise messages.about("optimizer_in_bwd", "is for full fine-tuning only: leave peft_config out")
        return self
