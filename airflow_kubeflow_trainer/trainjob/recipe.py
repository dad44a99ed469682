"""Which TorchTune recipe and config Trainer will choose, worked out beforehand.

Trainer chooses by runtime name, nodes, processes, GPUs and two arguments. This follows it step by step, its quirks
included.
Source: trainer v2.3 pkg/runtime/framework/plugins/torch/torchtune.go and torch.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from airflow_kubeflow_trainer.config.markers import has_templates, is_template
from airflow_kubeflow_trainer.config.plain import plain
from airflow_kubeflow_trainer.config.resources import amount, resource_name, resource_requirements
from airflow_kubeflow_trainer.config.torchtune import LoraConfig, TorchTuneConfig
from airflow_kubeflow_trainer.config.values import spelt_out
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

Value = TypeVar("Value")

LLAMA_1B, LLAMA_3B, LLAMA_70B, QWEN = "llama3_2/1B", "llama3_2/3B", "llama3_3/70B", "qwen2_5/1.5B"

_SMALL = ("full", "full_single_device", "lora", "lora_single_device")
CONFIGS: Mapping[str, tuple[str, ...]] = {
    LLAMA_1B: (*_SMALL, "qlora_single_device"),
    LLAMA_3B: (*_SMALL, "qlora_single_device"),
    QWEN: _SMALL,
    LLAMA_70B: ("full", "full_multinode", "lora", "qlora"),
}
"""Configs that torchtune 0.6.1 has, by model."""


class NotKnownYetError(Exception):
    """What is asked for depends on a template, or on a runtime that nobody has read yet."""


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


@dataclass(frozen=True)
class Case:
    """A config on a runtime, as far as both are known.

    While a DAG is parsed, fields may still hold templates, and nobody has read the cluster's runtimes. What depends on
    those raises :class:`NotKnownYetError`.
    """

    config: TorchTuneConfig
    runtime: str | None
    """The runtime's name; None where a template will tell."""
    resources: Mapping[str, Any] | None
    """Resources of the runtime's trainer; None where nobody has read them."""

    @classmethod
    def on(cls, runtime: RuntimeView, config: TorchTuneConfig) -> Self:
        """Make the case of a runtime that has been read, or is Trainer's own."""
        return cls(config, runtime.name, runtime.resources)

    @property
    def model(self) -> str:
        """The model that the runtime trains.

        :raises ConfigError: the runtime's name tells none that Trainer knows.
        """
        if self.runtime is None:
            raise NotKnownYetError
        return model_of(self.runtime)

    @property
    def nodes(self) -> int:
        return known(self.config.num_nodes) or 1

    @property
    def device(self) -> Any:
        """Where the author wants to train; None where that is left to the recipe."""
        return known(self.overrides.get("device", self.config.device))

    @property
    def overrides(self) -> Mapping[str, Any]:
        """The author's overrides by TorchTune's own keys; values among them may be templates, keys never are."""
        if not isinstance(self.config.overrides, Mapping):
            raise NotKnownYetError
        return dict(spelt_out(self.config.overrides))

    @property
    def lora(self) -> bool:
        """Whether Trainer will see LoRA: it looks for a name in the arguments, wherever that comes from."""
        if any("model.lora_attn_modules" in key for key in self.overrides):
            return True
        if is_template(self.config.peft_config):
            raise NotKnownYetError
        return self.config.peft_config is not None

    @property
    def qlora(self) -> bool:
        """Whether Trainer will see QLoRA: of a model that is quantized, but not by DoRA."""
        return self._lora_flag("quantize_base") and not self._lora_flag("use_dora")

    def _lora_flag(self, name: str) -> bool:
        if f"model.{name}" in self.overrides:
            return known(self.overrides[f"model.{name}"]) is True
        lora = self.config.peft_config
        if is_template(lora):
            raise NotKnownYetError
        return isinstance(lora, LoraConfig) and known(getattr(lora, name)) is True

    @property
    def gpus(self) -> int:
        """GPUs of a node as Trainer counts: any resource whose name holds "gpu", so that MIG slices count for none."""
        return next((amount(quantity) for name, quantity in self._counted().items() if "gpu" in name.lower()), 0)

    @property
    def processes(self) -> int | None:
        """Processes of a node as Trainer counts; None where it is one for each GPU."""
        asked = known(self.config.num_proc_per_node)
        if asked is not None or self.gpus > 0:
            return asked
        return max(1, amount(self._counted().get("cpu", 0)))

    def _counted(self) -> Mapping[str, Any]:
        """Give what Trainer counts by: the config's resources, else the runtime's, never both."""
        asked = self.asked()
        resources = self._runtimes() if asked is None else resource_requirements(asked)
        return {**(resources.get("limits") or {}), **(resources.get("requests") or {})}

    def devices(self) -> Mapping[str, int]:
        """Give the devices that a node's pod gets, by resource, those that it gets none of left out.

        Trainer merges what is asked for into what the runtime asks for, name by name [seen on 2.3].
        """
        asked = {resource_name(name): quantity for name, quantity in (self.asked() or {}).items()}
        names_a_device = any("/" in name for name in asked)
        # Of a runtime that nobody has read, who names a device names the only one.
        runtimes = {} if self.resources is None and names_a_device else self._runtimes()
        if not asked and "claims" in runtimes:
            # Dynamic resource allocation: a claim does not say how many devices it stands for.
            raise NotKnownYetError
        merged = {**(runtimes.get("requests") or {}), **(runtimes.get("limits") or {}), **asked}
        return {name: amount(quantity) for name, quantity in merged.items() if "/" in name and amount(quantity) > 0}

    def asked(self) -> dict[str, Any] | None:
        """Give the resources that the TrainJob asks for; None where it leaves them to the runtime.

        They are merged into the runtime's: a job for the CPU, or for a slice of a GPU, would still wait for the stock
        runtimes' two GPUs, so it says that it wants none.
        """
        asked = known(self.config.resources_per_node)
        named = {resource_name(name) for name in asked or {}}
        on_cpu, on_slice = self.device == "cpu", any("/mig-" in name for name in named)
        if not on_cpu and not on_slice:
            return asked
        others = (name for name in self._runtimes().get("limits") or {} if "/" in name and name not in named)
        unwanted = {name: 0 for name in others if on_cpu or name == "nvidia.com/gpu"}
        return {**(asked or {}), **unwanted} or None

    def _runtimes(self) -> Mapping[str, Any]:
        if self.resources is None:
            raise NotKnownYetError
        return self.resources

    @property
    def recipe(self) -> Recipe:
        """What Trainer will choose.

        :raises ConfigError: the runtime's name does not tell a model that Trainer knows.
        """
        if self.nodes > 1:
            return Recipe("full_finetune_distributed", self.model, "full_multinode")
        if self.processes == 1 or self.gpus == 1:
            variant = "qlora_single_device" if self.qlora else f"{self._kind}_single_device"
            return Recipe(f"{self._kind}_finetune_single_device", self.model, variant)
        return Recipe(f"{self._kind}_finetune_distributed", self.model, "qlora" if self.qlora else self._kind)

    @property
    def _kind(self) -> str:
        return "lora" if self.lora or self.qlora else "full"


def known(value: Value) -> Value:
    """Give a value that holds no template.

    :raises NotKnownYetError: it does.
    """
    if has_templates(plain(value)):
        raise NotKnownYetError
    return value


def model_of(runtime: str) -> str:
    """Read the model from a runtime's name: ``torchtune-llama3.2-1b`` trains ``llama3_2/1B``."""
    fields = runtime.split("-") if isinstance(runtime, str) else []
    model = f"{fields[1].replace('.', '_')}/{fields[2].upper()}" if len(fields) == 3 else ""
    if model not in CONFIGS:
        raise ConfigError(
            f"runtime: {runtime!r} is no TorchTune runtime. Trainer reads the model from the name, which must have "
            "three parts, as in torchtune-llama3.2-1b, torchtune-llama3.3-70b and torchtune-qwen2.5-1.5b"
        )
    return model
