"""From a TorchTuneConfig to the arguments of TorchTune's recipe."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlparse

from airflow_kubeflow_trainer.config.base import plain
from airflow_kubeflow_trainer.config.datasets import TorchTuneDatasetBase, TorchTuneInstructDataset
from airflow_kubeflow_trainer.config.initializers import (
    DataCacheInitializer,
    DatasetInitializer,
    HuggingFaceDatasetInitializer,
    Initializer,
)
from airflow_kubeflow_trainer.config.torchtune import TorchTuneConfig
from airflow_kubeflow_trainer.trainjob.overrides import arguments
from airflow_kubeflow_trainer.trainjob.recipe import Recipe
from airflow_kubeflow_trainer.trainjob.runtime import WORKSPACE
from airflow_kubeflow_trainer.trainjob.settings import KEYS

DATASET_PATH = f"{WORKSPACE}/dataset"

_LOGGERS = {
    "stdout": "StdoutLogger", "disk": "DiskLogger", "tensorboard": "TensorBoardLogger", "wandb": "WandBLogger",
    "comet": "CometLogger",
}  # fmt: skip
_COSINE = "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup"


def torchtune_arguments(config: TorchTuneConfig, initializer: Initializer | None, recipe: Recipe) -> list[str]:
    """Write a config as the arguments that follow ``tune run RECIPE --config CONFIG``.

    :raises ConfigError: a value that TorchTune's command line cannot carry.
    """
    settings: dict[str, Any] = {}
    # A component first, its settings after it.
    settings |= _components(config, recipe)
    settings |= {key: plain(value) for name, key in KEYS.items() if (value := getattr(config, name)) is not None}
    settings |= _lora(config)
    settings |= _dataset(config, initializer)
    for key, value in config.overrides.items():
        # The author's word is the last, also where it comes in another order.
        settings.pop(key, None)
        settings[key] = value
    return arguments(settings)


def warn_about_dataset(config: TorchTuneConfig, initializer: Initializer | None) -> None:
    """Warn where the data set that is fetched would not be the one that is trained on."""
    named = config.dataset_preprocess_config is not None or any(
        key.split(".")[0] == "dataset" for key in config.overrides
    )
    if named:
        return
    fetched = initializer is not None and initializer.dataset is not None
    warnings.warn(
        "config.dataset_preprocess_config is not set, so TorchTune reads its files as the alpaca data set"
        + (", in alpaca's format" if fetched else " from the runtime's default data set")
        + "; set TorchTuneInstructDataset(...) or another one to say how yours is read",
        UserWarning,
        stacklevel=2,
    )


def _components(config: TorchTuneConfig, recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {"metric_logger": _metric_logger(config.metric_logger)}
    if config.optimizer is not None:
        found |= _optimizer(config.optimizer, recipe)
    if config.lr_scheduler is not None:
        found["lr_scheduler"] = config.lr_scheduler
    elif config.num_warmup_steps is not None and recipe.full:
        # The configs for full fine-tuning have no scheduler to warm up.
        found["lr_scheduler._component_"] = _COSINE
    return found


def _metric_logger(chosen: str | Mapping[str, Any] | None) -> Any:
    if chosen is None or isinstance(chosen, str):
        name = _LOGGERS.get(chosen or "stdout")
        return f"torchtune.training.metric_logging.{name}" if name else chosen
    return chosen


def _optimizer(chosen: str | Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    name = chosen if isinstance(chosen, str) else str(chosen.get("_component_", ""))
    says_fused = isinstance(chosen, Mapping) and "fused" in chosen
    has_fused = recipe.variant != "full_single_device"
    found: dict[str, Any] = {"optimizer": chosen}
    if name and not name.startswith("torch.optim.") and has_fused and not says_fused:
        # The recipe's own optimizer is fused, and another one may not know the word.
        found["~optimizer.fused"] = None
    return found


def _lora(config: TorchTuneConfig) -> dict[str, Any]:
    lora = config.peft_config
    if lora is None:
        return {}
    found = {name: value for name in type(lora).model_fields if (value := getattr(lora, name)) is not None}
    return {f"model.{name}": plain(value) for name, value in found.items()}


def _dataset(config: TorchTuneConfig, initializer: Initializer | None) -> dict[str, Any]:
    dataset = config.dataset_preprocess_config
    source = initializer.dataset if initializer is not None else None
    found: dict[str, Any] = {}
    if dataset is not None:
        found["dataset"] = dataset.component
        found |= {f"dataset.{name}": value for name, value in _dataset_settings(dataset).items()}
    if dataset is not None and dataset.data_files is not None:
        found["dataset.data_files"] = str(PurePosixPath(DATASET_PATH, dataset.data_files))
    elif source is not None and not isinstance(source, DataCacheInitializer):
        found |= _location(source)
    return found


def _dataset_settings(dataset: TorchTuneDatasetBase) -> dict[str, Any]:
    found = {key: value for key, value in dataset.plain().items() if value is not None}
    found |= found.pop("options", None) or {}
    if isinstance(dataset, TorchTuneInstructDataset) and dataset.column_map is not None:
        # TorchTune wants both names where it is given one.
        found["column_map"] = {"input": "input", "output": "output", **dataset.column_map}
    return {key: value for key, value in found.items() if key not in ("component", "data_files")}


def _location(source: DatasetInitializer) -> dict[str, str]:
    """Say where the initializer puts the files: all of a repository or bucket path lies below DATASET_PATH."""
    uri = urlparse(source.storage_uri)
    inside = uri.path.strip("/")
    if isinstance(source, HuggingFaceDatasetInitializer):
        # hf://owner/name/path: the first part of the path is the repository's name.
        inside = inside.partition("/")[2]
    elif uri.scheme in ("file", "s3"):
        inside = PurePosixPath(inside).name if PurePosixPath(inside).suffix else ""
    path = PurePosixPath(DATASET_PATH, inside)
    # A folder may well have a dot in its name (v1.0): only a known ending makes a file.
    is_file = path.suffix.lower() in _FILE_SUFFIXES
    return {"dataset.data_files" if is_file else "dataset.data_dir": str(path)}


_FILE_SUFFIXES = {".json", ".jsonl", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".xml", ".gz", ".zst", ".bz2", ".xz"}
