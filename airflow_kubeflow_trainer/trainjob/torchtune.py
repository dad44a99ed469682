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
    Initializer,
)
from airflow_kubeflow_trainer.config.torchtune import TorchTuneConfig
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.overrides import arguments
from airflow_kubeflow_trainer.trainjob.recipe import Recipe
from airflow_kubeflow_trainer.trainjob.runtime import WORKSPACE
from airflow_kubeflow_trainer.trainjob.settings import KEYS

DATASET_PATH = f"{WORKSPACE}/dataset"

_LOGGERS = {
    "stdout": "StdoutLogger", "disk": "DiskLogger", "tensorboard": "TensorBoardLogger", "wandb": "WandBLogger",
    "comet": "CometLogger",
}  # fmt: skip
_FUSED = {f"torch.optim.{name}" for name in ("Adagrad", "Adam", "AdamW", "SGD")}
"""Optimizers that can be fused."""
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
        "config.dataset_preprocess_config is not set, so TorchTune "
        + ("takes the files for those of" if fetched else "trains on its own default, which it fetches from the Hub:")
        + " the alpaca data set; set TorchTuneInstructDataset(...) or another one to say how yours is read",
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
    if name and name not in _FUSED and has_fused and not says_fused:
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
    found: dict[str, Any] = {}
    if dataset is not None:
        found["dataset"] = dataset.component
        found |= {f"dataset.{name}": value for name, value in _dataset_settings(dataset).items()}
    path = _path(dataset, initializer)
    if path is None:
        return found
    where = _key_of(path) if dataset is None or dataset.data_files is None else "dataset.data_files"
    says_source = "dataset.source" in found or "dataset.source" in config.overrides
    if says_source or not (dataset is None or dataset.component.startswith("torchtune.")):
        return found | {where: str(path)}
    # TorchTune's builders want to be told. Of a folder, the library that reads it finds out.
    return found | (
        {"dataset.source": str(path)}
        if where == "dataset.data_dir"
        else {"dataset.source": _format(path), where: str(path)}
    )


def _dataset_settings(dataset: TorchTuneDatasetBase) -> dict[str, Any]:
    found = {key: value for key, value in dataset.plain().items() if value is not None}
    found |= found.pop("options", None) or {}
    if isinstance(dataset, TorchTuneInstructDataset) and dataset.column_map is not None:
        # TorchTune wants both names where it is given one.
        found["column_map"] = {"input": "input", "output": "output", **dataset.column_map}
    return {key: value for key, value in found.items() if key not in ("component", "data_files")}


def _path(dataset: TorchTuneDatasetBase | None, initializer: Initializer | None) -> PurePosixPath | None:
    """Say where the data set lies; None where TorchTune fetches its own, or reads from the data cache."""
    source = initializer.dataset if initializer is not None else None
    if dataset is not None and dataset.data_files is not None:
        return PurePosixPath(DATASET_PATH, dataset.data_files)
    if isinstance(source, DataCacheInitializer):
        return None
    if source is not None:
        return _location(source)
    # The runtime's own initializer fetches one too.
    return None if dataset is None else PurePosixPath(DATASET_PATH)


def _location(source: DatasetInitializer) -> PurePosixPath:
    """Say where the initializer puts the files: all of a repository or bucket path lies below DATASET_PATH."""
    uri = urlparse(source.storage_uri)
    inside = uri.path.strip("/")
    if uri.scheme == "hf":
        # hf://owner/name/path: the first part of the path is the repository's name.
        inside = inside.partition("/")[2]
    elif uri.scheme in ("file", "s3"):
        inside = PurePosixPath(inside).name if PurePosixPath(inside).suffix else ""
    return PurePosixPath(DATASET_PATH, inside)


def _key_of(path: PurePosixPath) -> str:
    # A folder may well have a dot in its name (v1.0): only a known ending makes a file.
    return "dataset.data_files" if path.suffix.lower() in _FORMATS else "dataset.data_dir"


def _format(path: PurePosixPath) -> str:
    found = next((name for suffix in reversed(path.suffixes) if (name := _FORMATS.get(suffix.lower()))), None)
    if found is None:
        raise ConfigError(
            f"config.dataset_preprocess_config.source: {path.name!r} does not tell the format of its rows; set it, for "
            "example source='json'"
        )
    return found


_FORMATS: Mapping[str, str | None] = {
    ".json": "json", ".jsonl": "json", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".arrow": "arrow",
    ".txt": "text", ".xml": "xml", ".gz": None, ".zst": None, ".bz2": None, ".xz": None,
}  # fmt: skip
"""Formats by the endings of files, as ``datasets.load_dataset`` calls them; None where they are packed."""
