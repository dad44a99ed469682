"""Which recipe Trainer will choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torchtune

from airflow_kubeflow_trainer.config import LoraConfig, TorchTuneConfig
from airflow_kubeflow_trainer.trainjob.recipe import CONFIGS, Case
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

LORA, QLORA, DORA = LoraConfig(), LoraConfig(quantize_base=True), LoraConfig(quantize_base=True, use_dora=True)
ONE_B, QWEN, SEVENTY_B = "torchtune-llama3.2-1b", "torchtune-qwen2.5-1.5b", "torchtune-llama3.3-70b"


def runtime(name: str) -> RuntimeView:
    return RuntimeView.stock(name) or RuntimeView.torchtune(name, kind="ClusterTrainingRuntime")


@pytest.mark.parametrize(
    ("name", "settings", "chosen"),
    [
        pytest.param(ONE_B, {}, "full_finetune_distributed llama3_2/1B_full", id="the stock runtime's two GPUs"),
        pytest.param(
            ONE_B,
            {"resources_per_node": {"gpu": 1}},
            "full_finetune_single_device llama3_2/1B_full_single_device",
            id="one GPU",
        ),
        pytest.param(
            ONE_B,
            {"peft_config": LORA, "num_proc_per_node": 1},
            "lora_finetune_single_device llama3_2/1B_lora_single_device",
            id="LoRA in one process",
        ),
        pytest.param(ONE_B, {"peft_config": LORA}, "lora_finetune_distributed llama3_2/1B_lora", id="LoRA on two GPUs"),
        pytest.param(
            ONE_B,
            {"peft_config": QLORA, "resources_per_node": {"gpu": 1}},
            "lora_finetune_single_device llama3_2/1B_qlora_single_device",
            id="QLoRA",
        ),
        pytest.param(
            QWEN,
            {"peft_config": DORA, "resources_per_node": {"gpu": 1}},
            "lora_finetune_single_device qwen2_5/1.5B_lora_single_device",
            id="DoRA of a quantized model is no QLoRA to Trainer",
        ),
        pytest.param(
            ONE_B,
            {"device": "cpu", "resources_per_node": {"cpu": 4}, "peft_config": LORA},
            "lora_finetune_distributed llama3_2/1B_lora",
            id="a process for each CPU",
        ),
        pytest.param(
            ONE_B,
            {"device": "cpu", "peft_config": LORA},
            "lora_finetune_single_device llama3_2/1B_lora_single_device",
            id="the CPU, without a count",
        ),
        pytest.param(
            ONE_B,
            {"resources_per_node": {"memory": "64Gi"}},
            "full_finetune_single_device llama3_2/1B_full_single_device",
            id="resources without a GPU count for one process, although the runtime has two GPUs",
        ),
        pytest.param(
            ONE_B,
            {"overrides": {"model.quantize_base": True}, "num_proc_per_node": 1},
            "lora_finetune_single_device llama3_2/1B_qlora_single_device",
            id="QLoRA by an override alone",
        ),
        pytest.param(
            SEVENTY_B, {"num_nodes": 2}, "full_finetune_distributed llama3_3/70B_full_multinode", id="several nodes"
        ),
        pytest.param(
            ONE_B,
            {"overrides": {"model.lora_attn_modules": ["q_proj"]}, "num_proc_per_node": 1},
            "lora_finetune_single_device llama3_2/1B_lora_single_device",
            id="LoRA by an override",
        ),
    ],
)
def test_the_recipe_is_the_one_that_trainer_chooses(name: str, settings: dict[str, Any], chosen: str) -> None:
    recipe = Case.on(runtime(name), TorchTuneConfig(**settings)).recipe

    assert f"{recipe.name} {recipe.config}" == chosen


def test_the_configs_we_know_are_those_that_torchtune_ships() -> None:
    folder = Path(torchtune.__file__).parents[1] / "recipes" / "configs"
    ours = {f"{model}_{variant}" for model, variants in CONFIGS.items() for variant in variants}

    assert [name for name in sorted(ours) if not (folder / f"{name}.yaml").exists()] == []
