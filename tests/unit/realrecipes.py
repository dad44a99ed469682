"""TorchTune's own recipes, asked without a GPU whether they would start."""

from __future__ import annotations

import functools
import importlib.util
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
import torchtune
from omegaconf import DictConfig, OmegaConf
from torchtune.config._utils import _merge_yaml_and_cli_args

from airflow_kubeflow_trainer.config import Initializer, TorchTuneConfig
from airflow_kubeflow_trainer.trainjob.recipe import Recipe
from airflow_kubeflow_trainer.trainjob.torchtune import torchtune_arguments

FOLDER = Path(torchtune.__file__).parents[1] / "recipes"


def config_of(name: str) -> dict[str, Any]:
    """Read one of TorchTune's configs."""
    found: Any = OmegaConf.to_container(OmegaConf.load(FOLDER / "configs" / f"{name}.yaml"), resolve=False)
    return dict(found)


def settings_for(recipe: Recipe, config: TorchTuneConfig, initializer: Initializer | None = None) -> DictConfig:
    """Make what the recipe gets to see, by TorchTune's own merging."""
    args = torchtune_arguments(config, initializer, recipe)
    return _merge_yaml_and_cli_args(Namespace(**config_of(recipe.config)), args)


def start(recipe: Recipe, config: TorchTuneConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a recipe check its settings, as if the device that it wants were there.

    :raises RuntimeError: it refuses them; so does ValueError.
    """
    monkeypatch.setattr("torchtune.utils.get_device", torch.device)
    monkeypatch.setattr("torchtune.training.precision.verify_bf16_support", lambda: True)
    module = _module(recipe.name)
    monkeypatch.setattr(module, "init_process_group", lambda *_: None, raising=False)
    kind = next(item for name, item in vars(module).items() if name.endswith(("SingleDevice", "Distributed")))
    kind(cfg=settings_for(recipe, config))


@functools.cache
def _module(recipe: str) -> Any:
    spec = importlib.util.spec_from_file_location(recipe, FOLDER / f"{recipe}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
