"""What of a TorchTuneConfig becomes which argument of TorchTune's recipe."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import torchtune
from realrecipes import settings_for

from airflow_kubeflow_trainer.config import (
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    Initializer,
    LoraConfig,
    S3DatasetInitializer,
    TorchTuneConfig,
    TorchTuneDataset,
    TorchTuneInstructDataset,
)
from airflow_kubeflow_trainer.exceptions import ConfigError
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
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneInstructDataset(source="json"))

    assert arguments(config, dataset)[key] == path


class Tokenizer:
    max_seq_len = None


def write(folder: Path, name: str) -> None:
    rows = datasets.Dataset.from_list([{"instruction": "q", "input": "", "output": "a"}] * 3)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".parquet":
            rows.to_parquet(path)
        case ".csv":
            rows.to_csv(path)
        case ".gz":
            rows.to_json(path, compression="gzip")
        case _:
            rows.to_json(path)


@pytest.mark.parametrize("builder", [None, TorchTuneInstructDataset()], ids=["TorchTune's default", "a builder"])
@pytest.mark.parametrize(
    ("uri", "file"),
    [
        pytest.param("hf://o/d", "data/train-00000-of-00001.parquet", id="a data set of the Hub's"),
        pytest.param("hf://o/d/data", "data/rows.parquet", id="a folder of one"),
        pytest.param("hf://o/d/v1.0", "v1.0/rows.csv", id="a folder with a dot in its name"),
        pytest.param("hf://o/d/rows.jsonl", "rows.jsonl", id="a file"),
        pytest.param("hf://o/d/rows.json.gz", "rows.json.gz", id="a packed file"),
        pytest.param("s3://bucket/some/rows", "rows.jsonl", id="a path on S3"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchtune_reads_a_data_set_whose_format_nobody_names(
    uri: str, file: str, builder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.trainjob.torchtune.DATASET_PATH", str(tmp_path / "dataset"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    write(tmp_path / "dataset", file)
    (tmp_path / "dataset" / ".gitattributes").write_text("*.parquet filter=lfs")
    initializer = Initializer(dataset=DatasetInitializer(uri))

    settings = settings_for(LORA, TorchTuneConfig(dataset_preprocess_config=builder), initializer)

    assert len(torchtune.config.instantiate(settings.dataset, Tokenizer())) == 3


def test_rows_of_a_format_that_nobody_can_tell_are_refused() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneInstructDataset(data_files="rows.gz"))

    with pytest.raises(ConfigError, match=r"dataset_preprocess_config\.source: 'rows.gz' .*source='json'"):
        arguments(config)


def test_the_data_set_that_the_runtime_fetches_is_read_by_a_builder() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneInstructDataset())

    assert arguments(config)["dataset.source"] == "/workspace/dataset"


def test_a_builder_of_somebody_else_is_told_nothing_that_it_may_not_know() -> None:
    config = TorchTuneConfig(dataset_preprocess_config=TorchTuneDataset("my.data"))

    found = arguments(config, S3DatasetInitializer("s3://b/p"))

    assert {key for key in found if key.startswith("dataset")} == {"dataset", "dataset.data_dir"}


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


OPTIMIZERS = [
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and "weight_decay" in inspect.signature(kind).parameters
]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_of_torchs_starts_and_is_fused_where_it_can_be(name: str) -> None:
    settings = settings_for(LORA, TorchTuneConfig(optimizer=f"torch.optim.{name}"))

    made = torchtune.config.instantiate(settings.optimizer, [torch.nn.Parameter(torch.zeros(2, 2))])

    assert made.defaults.get("fused", False) is ("fused" in inspect.signature(type(made)).parameters)


def test_an_optimizer_of_somebody_else_is_not_told_of_fused() -> None:
    assert "~optimizer.fused" in torchtune_arguments(TorchTuneConfig(optimizer="bitsandbytes.optim.AdamW"), None, LORA)


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
