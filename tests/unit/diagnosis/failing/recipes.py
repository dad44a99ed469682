"""What TorchTune says, and OmegaConf, which reads its configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from diagnosis.failing.registry import failure
from diagnosis.failing.tensors import load


@failure("torch", "more-processes-than-gpus")
def _() -> Any:
    import torch
    from torchtune.utils import get_device

    torch.cuda.is_available = lambda: True  # type: ignore[assignment]
    torch.cuda.device_count = lambda: 1  # type: ignore[assignment]
    os.environ["LOCAL_RANK"] = "1"
    return get_device("cuda")


@failure("torch", "torchtune-column-missing/worker")
def _() -> Any:
    from torchtune.data import InputOutputToMessages

    load(lambda: InputOutputToMessages()({"instruction": "a", "output": "b"}))


@failure("torch", "torchtune-column-missing")
def _() -> Any:
    from torchtune.data import AlpacaToMessages

    return AlpacaToMessages()({"text": "a"})


@failure("torch", "torchtune-column-map")
def _() -> Any:
    from torchtune.data import InputOutputToMessages

    return InputOutputToMessages(column_map={"inputs": "a"})


@failure("torch", "torchtune-component-unknown")
def _() -> Any:
    return _instantiate({"_component_": "torchtune.models.llama3_2.lora_llama_1b"})


@failure("torch", "torchtune-key-unknown")
def _() -> Any:
    component = "torchtune.models.llama3_2.lora_llama3_2_1b"
    return _instantiate({"_component_": component, "lora_attn_modules": ["q_proj"], "lora_rnk": 8})


def _instantiate(config: dict[str, Any]) -> Any:
    from omegaconf import OmegaConf
    from torchtune.config import instantiate

    return instantiate(OmegaConf.create(config))


@failure("torch", "torchtune-setting-missing")
def _() -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create({"epochs": 1}).batch_size


@failure("torch", "torchtune-output-in-checkpoint")
def _() -> Any:
    return _checkpointer("model", "model/output")


@failure("torch", "torchtune-checkpoint-missing")
def _() -> Any:
    Path("model").mkdir(exist_ok=True)
    Path("model/config.json").write_text("{}")
    return _checkpointer("model", "output")


@failure("torch", "torchtune-checkpoint-missing/config")
def _() -> Any:
    Path("empty-model").mkdir(exist_ok=True)
    return _checkpointer("empty-model", "output")


def _checkpointer(folder: str, output: str) -> Any:
    from torchtune.training import FullModelHFCheckpointer

    return FullModelHFCheckpointer(
        checkpoint_dir=folder, checkpoint_files=["model.safetensors"], model_type="LLAMA3_2", output_dir=output
    )


@failure("torch", "torchtune-tokenizer-missing")
def _() -> Any:
    from torchtune.models.llama3 import llama3_tokenizer

    return llama3_tokenizer(path="/workspace/model/original/tokenizer.model")


@failure("torch", "bf16-not-available")
def _() -> Any:
    import torch
    from torchtune.training import get_dtype

    return get_dtype("bf16", device=torch.device("cuda"))


def _tune(*arguments: str) -> None:
    from torchtune._cli.tune import main

    sys.argv = ["tune", "run", *arguments]
    main()


@failure("torch", "torchtune-config-missing")
def _() -> Any:
    _tune("lora_finetune_single_device", "--config", "llama9/1B_lora_single_device")


@failure("torch", "torchtune-recipe-missing")
def _() -> Any:
    _tune("lora_finetune_everywhere", "--config", "llama3_2/1B_lora_single_device")


@failure("torch", "torchtune-override-malformed")
def _() -> Any:
    _tune("lora_finetune_single_device", "--config", "llama3_2/1B_lora_single_device", "batch_size")


@failure("torch", "torchtune-not-distributed")
def _() -> Any:
    _tune("--nproc_per_node", "2", "lora_finetune_single_device", "--config", "llama3_2/1B_lora_single_device")
