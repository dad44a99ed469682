"""What of a TorchTuneConfig becomes which argument of TorchTune's recipe."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.config import (
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    Initializer,
    LoraConfig,
    S3DatasetInitializer,
    TorchTuneConfig,
    TorchTuneInstructDataset,
)
from airflow_kubeflow_trainer.trainjob.recipe import Recipe
from airflow_kubeflow_trainer.trainjob.settings import KEYS
from airflow_kubeflow_trainer.trainjob.torchtune import torchtune_arguments, warn_about_dataset

LORA = Recipe("lora_finetune_single_device", "llama3_2/1B", "lora_single_device")
FULL = Recipe("full_finetune_distributed", "llama3_2/1B", "full")


def arguments(config: TorchTuneConfig, dataset: Any = None, recipe: Recipe = LORA) -> dict[str, str]:
    pairs = (arg.partition("=") for arg in torchtune_arguments(config, Initializer(dataset=dataset), recipe))
    return {key: value for key, _, value in pairs}


@pytest.mark.parametrize(
    ("dataset", "key", "path"),
    [
        pytest.param(
            HuggingFaceDatasetInitializer("hf://o/d/data"), "dataset.data_dir", "/workspace/dataset/data", id="a folder"
        ),
        pytest.param(
            HuggingFaceDatasetInitializer("hf://o/d"), "dataset.data_dir", "/workspace/dataset", id="all of it"
        ),
        pytest.param(
            HuggingFaceDatasetInitializer("hf://o/d/v1.0/train"),
            "dataset.data_dir",
            "/workspace/dataset/v1.0/train",
            id="a folder with a dot is no file",
        ),
        pytest.param(
            HuggingFaceDatasetInitializer("hf://o/d/data/a.jsonl"),
            "dataset.data_files",
            "/workspace/dataset/data/a.jsonl",
            id="a file",
        ),
        pytest.param(
            S3DatasetInitializer("s3://bucket/some/path"), "dataset.data_dir", "/workspace/dataset", id="a path on S3"
        ),
        pytest.param(
            DatasetInitializer("file:///data/rows.json"),
            "dataset.data_files",
            "/workspace/dataset/rows.json",
            id="a file of this machine",
        ),
    ],
)
def test_torchtune_is_told_where_the_data_set_lies(dataset: Any, key: str, path: str) -> None:
    assert arguments(TorchTuneConfig(), dataset)[key] == path


def test_files_may_be_chosen_among_those_that_were_fetched() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneInstructDataset(source="json", data_files="a/*.json"))

    found = arguments(config, S3DatasetInitializer("s3://b/p"))

    assert found["dataset.data_files"] == '"/workspace/dataset/a/*.json"'
    assert "dataset.data_dir" not in found


def test_a_column_that_has_torchtunes_name_need_not_be_mapped() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneInstructDataset(column_map={"input": "instruction"}))

    assert arguments(config)["dataset.column_map"] == '{"input": instruction,"output": output}'


def test_losses_are_written_to_the_log_unless_said_otherwise() -> None:
    assert arguments(TorchTuneConfig())["metric_logger"].endswith("StdoutLogger")
    assert arguments(TorchTuneConfig(metric_logger="disk"))["metric_logger"].endswith("DiskLogger")


def test_an_optimizer_that_knows_no_fused_is_not_told_of_it() -> None:
    ours = torchtune_arguments(TorchTuneConfig(optimizer="bitsandbytes.optim.AdamW"), None, LORA)
    torchs = torchtune_arguments(TorchTuneConfig(optimizer="torch.optim.SGD"), None, LORA)

    assert "~optimizer.fused" in ours
    assert "~optimizer.fused" not in torchs


def test_warming_up_full_fine_tuning_brings_the_scheduler_that_its_config_lacks() -> None:
    config = TorchTuneConfig(num_warmup_steps=5)

    assert "lr_scheduler._component_" in arguments(config, recipe=FULL)
    assert "lr_scheduler._component_" not in arguments(config, recipe=LORA)


def test_an_override_has_the_last_word_and_stands_last() -> None:
    config = TorchTuneConfig(
        epochs=1, peft_config=LoraConfig(lora_rank=4), overrides={"epochs": 9, "model.lora_rank": 2}
    )

    args = torchtune_arguments(config, None, LORA)

    assert args[-2:] == ["epochs=9", "model.lora_rank=2"]
    assert [arg for arg in args if arg.startswith(("epochs=", "model.lora_rank="))] == args[-2:]


def test_every_field_that_stands_for_a_key_names_one_that_the_recipes_have() -> None:
    import torchtune
    import yaml

    folder = Path(torchtune.__file__).parents[1] / "recipes" / "configs" / "llama3_2"
    known: set[str] = set()
    for name in ("1B_full", "1B_lora_single_device"):
        for key, value in yaml.safe_load((folder / f"{name}.yaml").read_text()).items():
            known |= {f"{key}.{part}" for part in value} if isinstance(value, dict) else {key}
    known |= {"loss"}

    assert set(KEYS.values()) <= known


def test_zero_and_false_reach_torchtune() -> None:
    found = arguments(TorchTuneConfig(seed=0, shuffle=False, num_warmup_steps=0))

    assert (found["seed"], found["shuffle"], found["lr_scheduler.num_warmup_steps"]) == ("0", "False", "0")


def test_a_data_set_that_nobody_says_how_to_read_is_warned_of() -> None:
    initializer = Initializer(dataset=S3DatasetInitializer("s3://b/p"))

    with pytest.warns(UserWarning, match="alpaca"):
        warn_about_dataset(TorchTuneConfig(), initializer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_about_dataset(TorchTuneConfig(overrides={"dataset.packed": True}), initializer)
        warn_about_dataset(TorchTuneConfig(dataset_preprocess_config={"source": "json"}), initializer)
