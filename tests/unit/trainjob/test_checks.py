"""What is refused before it dies in a pod, held to TorchTune's own recipes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torchtune.training
from omegaconf import OmegaConf
from realrecipes import config_of, settings_for, start
from torchtune import config as torchtune_config

from airflow_kubeflow_trainer.config import LoraConfig, TorchTuneConfig, TorchTuneDataset, TorchTuneInstructDataset
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.checks import check
from airflow_kubeflow_trainer.trainjob.recipe import CONFIGS, Case
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView
from airflow_kubeflow_trainer.trainjob.settings import _MOSTLY, preset

LORA, QLORA = LoraConfig(), LoraConfig(quantize_base=True)
ONE_B, QWEN, SEVENTY_B = "torchtune-llama3.2-1b", "torchtune-qwen2.5-1.5b", "torchtune-llama3.3-70b"


def case(name: str, settings: dict[str, Any], **resources: Any) -> Case:
    found = Case.on(RuntimeView.torchtune(name, kind="ClusterTrainingRuntime"), TorchTuneConfig(**settings))
    return Case(found.config, name, resources) if resources else found


def refused(found: Case) -> bool:
    try:
        check(found)
    except ConfigError:
        return True
    return False


GPU: dict[str, Any] = {"resources_per_node": {"gpu": 1}}
CPU: dict[str, Any] = {"device": "cpu", "num_proc_per_node": 1, "optimizer": "torch.optim.AdamW"}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        pytest.param("my-runtime", {}, r"runtime: 'my-runtime' .* three parts", id="a name that tells no model"),
        pytest.param(SEVENTY_B, GPU, "resources_per_node: .*70B_full_single_device", id="70B on one GPU"),
        pytest.param(QWEN, {"peft_config": QLORA, **GPU}, "quantize_base: TorchTune has no QLoRA", id="QLoRA of qwen"),
        pytest.param(ONE_B, {"peft_config": QLORA}, r"quantize_base: .*'gpu': 1", id="QLoRA on the stock two GPUs"),
        pytest.param(
            ONE_B,
            {"peft_config": QLORA, "device": "cpu", "resources_per_node": {"cpu": 1}},
            "num_proc_per_node=1",
            id="QLoRA on one CPU, which admission does not count",
        ),
        pytest.param(
            SEVENTY_B,
            {"peft_config": LORA, "num_nodes": 2},
            "num_nodes: 2 with peft_config",
            id="LoRA on several nodes",
        ),
        pytest.param(
            SEVENTY_B,
            {"overrides": {"model": {"lora_attn_modules": ["q_proj"]}}, "num_nodes": 2},
            "num_nodes: 2 with peft_config",
            id="LoRA by an override on several nodes",
        ),
        pytest.param(
            QWEN,
            {"peft_config": LORA, "overrides": {"model": {"quantize_base": True}}, **GPU},
            "quantize_base: TorchTune has no QLoRA",
            id="QLoRA by an override",
        ),
        pytest.param(ONE_B, {"num_nodes": 2}, "num_nodes: must be 1", id="several nodes for a small model"),
        pytest.param(ONE_B, {"num_proc_per_node": 2, **GPU}, "num_proc_per_node: 2 on one GPU", id="two on one GPU"),
        pytest.param(
            ONE_B,
            {"num_proc_per_node": 4, "resources_per_node": {"gpu": 2}},
            r"num_proc_per_node: 4 on 2 GPUs: .*num_proc_per_node=2, or resources_per_node=\{'gpu': 4\}",
            id="more processes than GPUs",
        ),
        pytest.param(ONE_B, {"num_proc_per_node": 3}, "num_proc_per_node: 3 on 2 GPUs", id="than the runtime's GPUs"),
        pytest.param(
            ONE_B,
            {"resources_per_node": {"cpu": 4}},
            r"resources_per_node: .*process for each CPU.*4 on 2 GPUs.*\{'gpu': 2\}",
            id="a process for each CPU on the runtime's two GPUs",
        ),
        pytest.param(
            ONE_B,
            {"resources_per_node": {"mig-1g.5gb": 1, "cpu": "7500m"}, "peft_config": LORA},
            "here 8 on 1 GPU",
            id="a process for each CPU on one MIG slice",
        ),
        pytest.param(
            ONE_B,
            {"resources_per_node": {"gpu": 0}},
            r"device: there is no GPU in resources_per_node, and TorchTune's recipes.*device='cpu'",
            id="no GPU, but cuda by default",
        ),
        pytest.param(
            ONE_B, {"device": "cuda", "resources_per_node": {"gpu": 0}}, "device is 'cuda'", id="no GPU, but cuda"
        ),
        pytest.param(
            ONE_B,
            {"device": "cpu", "resources_per_node": {"cpu": 4}, "peft_config": LORA},
            "num_proc_per_node: must be 1 on device='cpu', not 4",
            id="several processes on a CPU",
        ),
        pytest.param(
            SEVENTY_B,
            {"num_nodes": 2, **CPU},
            "num_nodes: must be 1 on device='cpu', not 2",
            id="several nodes of CPUs",
        ),
        pytest.param(
            ONE_B,
            {"device": "cpu", "num_proc_per_node": 1},
            "optimizer: .*torch.optim.AdamW",
            id="an optimizer that needs a GPU",
        ),
        pytest.param(
            ONE_B, {"overrides": {"output_dir": "/x"}}, "output_dir.*the runtime's to set", id="a key of the runtime's"
        ),
        pytest.param(
            ONE_B,
            {"overrides": {"tokenizer": {"path": "/x"}}},
            "'tokenizer.path' is the runtime's to set",
            id="a key of the runtime's in a component",
        ),
    ],
)
def test_what_would_die_in_the_pod_is_refused_with_a_remedy(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(case(name, settings))


@pytest.mark.parametrize(
    ("settings", "resources"),
    [
        pytest.param({"resources_per_node": {"memory": "64Gi"}}, {}, id="one process on the runtime's GPUs"),
        pytest.param({"num_proc_per_node": 2, "resources_per_node": {"memory": "64Gi"}}, {}, id="two on its two GPUs"),
        pytest.param({"num_proc_per_node": 2, "resources_per_node": {"amd.com/gpu": 2}}, {}, id="GPUs of another make"),
        pytest.param({"num_proc_per_node": 8}, {"claims": [{"name": "gpus"}]}, id="GPUs by a claim"),
        pytest.param({"resources_per_node": {"gpu": 0}, "overrides": {"device": "cuda"}}, {}, id="who knows better"),
        pytest.param({"device": "xpu", "num_proc_per_node": 1}, {"limits": {}}, id="another kind of device"),
    ],
)
def test_what_may_work_is_not_refused(settings: dict[str, Any], resources: dict[str, Any]) -> None:
    check(case(ONE_B, settings, **resources))


def grid(**choices: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Combine choices; None leaves a field out."""
    rows = itertools.product(*choices.values())
    return [{name: value for name, value in zip(choices, row, strict=True) if value is not None} for row in rows]


IN_BACKWARD = grid(
    optimizer_in_bwd=(None, True, False), clip_grad_norm=(None, 1.0), gradient_accumulation_steps=(None, 1, 4)
)
OFFLOADING = grid(enable_activation_offloading=(None, True, False), enable_activation_checkpointing=(None, True, False))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        pytest.param(ONE_B, GPU, id="1B, one GPU"),
        pytest.param(ONE_B, {}, id="1B, two GPUs"),
        pytest.param(ONE_B, CPU, id="1B, a CPU"),
        pytest.param(ONE_B, {"peft_config": LORA, **GPU}, id="1B, LoRA, one GPU"),
        pytest.param(ONE_B, {"peft_config": LORA}, id="1B, LoRA, two GPUs"),
        pytest.param(ONE_B, {"peft_config": QLORA, **GPU}, id="1B, QLoRA"),
        pytest.param(QWEN, GPU, id="qwen, one GPU"),
        pytest.param(QWEN, {}, id="qwen, two GPUs"),
        pytest.param(QWEN, {"peft_config": LORA, **GPU}, id="qwen, LoRA, one GPU"),
        pytest.param(SEVENTY_B, {}, id="70B"),
        pytest.param(SEVENTY_B, {"num_nodes": 2}, id="70B, two nodes"),
        pytest.param(SEVENTY_B, {"peft_config": QLORA}, id="70B, QLoRA"),
    ],
)
def test_combinations_are_refused_just_where_the_recipe_refuses_them(
    name: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = []
    for settings in (*IN_BACKWARD, *OFFLOADING):
        if "peft_config" in given and settings.get("optimizer_in_bwd"):
            continue  # Our own refusal: the recipes for LoRA would not look at it.
        found = case(name, given | settings)
        try:
            start(found.recipe, found.config, monkeypatch)
            theirs = False
        except RuntimeError:
            theirs = True
        if refused(found) != theirs:
            wrong.append((settings, f"the recipe {'refuses' if theirs else 'takes'} it"))

    assert wrong == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"optimizer_in_bwd": True},
            r"gradient_accumulation_steps \(8 in TorchTune's config\): .*gradient_accumulation_steps=1",
            id="accumulating by default",
        ),
        pytest.param(
            {"gradient_accumulation_steps": 4, **GPU},
            "gradient_accumulation_steps: .*as TorchTune's config for a single device does.*optimizer_in_bwd=False",
            id="stepping in the backward pass by default",
        ),
        pytest.param({"clip_grad_norm": 1.0, **GPU}, "clip_grad_norm: .*optimizer_in_bwd=False", id="clipping"),
        pytest.param(
            {"enable_activation_offloading": True},
            "enable_activation_offloading: needs enable_activation_checkpointing=True",
            id="offloading what is not checkpointed by default",
        ),
        pytest.param(
            {"enable_activation_offloading": True, "enable_activation_checkpointing": True, **CPU},
            "enable_activation_offloading: needs device='cuda', not 'cpu'",
            id="offloading from a CPU",
        ),
        pytest.param({"overrides": {"dtype": "fp16"}}, "overrides: dtype 'fp16'.*'bf16' or 'fp32'", id="fp16"),
    ],
)
def test_the_recipes_refusals_name_fields_of_ours(
    settings: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = case(ONE_B, settings)

    with pytest.raises(ConfigError, match=f"config.{message}"):
        check(found)
    with pytest.raises((RuntimeError, ValueError)):
        start(found.recipe, found.config, monkeypatch)


@pytest.mark.parametrize("name", ["torch.optim.lr_scheduler.CosineAnnealingLR", "torch.optim.lr_scheduler.ConstantLR"])
def test_a_scheduler_that_the_recipes_cannot_make_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="lr_scheduler: .*num_training_steps.*get_cosine_schedule_with_warmup"):
        check(case(ONE_B, {"lr_scheduler": name}))

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    arguments = OmegaConf.create({"_component_": name} | ({"T_max": 3} if "Cosine" in name else {}))
    with pytest.raises(TypeError, match="num_training_steps"):
        torchtune_config.instantiate(arguments, optimizer, num_training_steps=3, last_epoch=-1)


@pytest.mark.parametrize("name", [ONE_B, "torchtune-llama3.2-3b", QWEN])
def test_an_adapter_of_an_output_that_is_tied_to_the_embeddings_is_refused(name: str) -> None:
    found = case(name, {"peft_config": LoraConfig(apply_lora_to_output=True), **GPU})

    with pytest.raises(ConfigError, match=r"peft_config\.apply_lora_to_output: .*leave it out"):
        check(found)
    with torch.device("meta"), pytest.raises(ValueError, match="apply_lora_to_output"):
        torchtune_config.instantiate(settings_for(found.recipe, found.config).model)


def test_recipes_for_several_processes_end_on_a_cpu() -> None:
    # What both of them call once the model is loaded.
    with pytest.raises(ValueError, match="not supported on CPU"):
        torchtune.training.get_memory_stats(torch.device("cpu"))


PACKED: dict[str, Any] = {"packed": True}


@pytest.mark.parametrize(
    ("name", "settings", "fine"),
    [
        pytest.param(ONE_B, PACKED, False, id="no length"),
        pytest.param(ONE_B, {"overrides": {"dataset.packed": True}}, False, id="by an override"),
        pytest.param(ONE_B, PACKED | {"max_seq_len": 512}, True, id="a length"),
        pytest.param(ONE_B, PACKED | {"overrides": {"tokenizer.max_seq_len": 512}}, True, id="a length by an override"),
        pytest.param(SEVENTY_B, PACKED | {"num_nodes": 2}, True, id="a length of the config's own"),
        pytest.param(
            SEVENTY_B,
            {"num_nodes": 2, "overrides": {"tokenizer.max_seq_len": None}},
            False,
            id="a config that packs by itself, its length taken away",
        ),
        pytest.param(
            ONE_B, PACKED | {"dataset_preprocess_config": TorchTuneInstructDataset("json")}, False, id="a builder"
        ),
        pytest.param(
            ONE_B, PACKED | {"dataset_preprocess_config": TorchTuneDataset("my.data")}, True, id="a builder not theirs"
        ),
        pytest.param(
            ONE_B,
            {"dataset_preprocess_config": TorchTuneDataset("torchtune.datasets.x", options={"packed": True})},
            False,
            id="by an option",
        ),
    ],
)
def test_packing_needs_a_length(name: str, settings: dict[str, Any], fine: bool) -> None:
    assert refused(case(name, settings)) is not fine


def test_the_presets_are_those_of_torchtunes_configs() -> None:
    wrong = []
    for model, variants in CONFIGS.items():
        for config, key in itertools.product([f"{model}_{variant}" for variant in variants], _MOSTLY):
            theirs: Any = config_of(config)
            for part in key.split("."):
                theirs = theirs.get(part, False if key == "optimizer_in_bwd" else None)
            if preset(config, key) != theirs:
                wrong.append((config, key, theirs))

    assert wrong == []
