"""TorchTune's arguments survive whatever is in them, on the way through Kubernetes, TorchTune and YAML."""

from __future__ import annotations

import math
import re
import subprocess
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torchtune.config._parse import TuneRecipeArgumentParser
from torchtune.config._utils import _merge_yaml_and_cli_args

from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.overrides import MAX_BYTES, arguments

RECIPE = """
model:
  _component_: torchtune.models.llama3_2.llama3_2_1b
optimizer:
  _component_: torch.optim.AdamW
  fused: true
output_dir: /tmp
"""


def kubernetes_expansion(argument: str) -> str:
    """Expand as the kubelet does where no variable is defined: $$ is a dollar, an unknown $(X) stays."""
    return re.sub(r"\$\$|\$\([^)]*\)", lambda found: "$" if found[0] == "$$" else found[0], argument)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def read_by_torchtune(args: list[str], recipe: Path) -> dict[str, Any]:
    parser = TuneRecipeArgumentParser()
    arrived = [kubernetes_expansion(arg) for arg in args]
    known, rest = parser.parse_known_args(["--config", str(recipe), *arrived])
    assert isinstance(known, Namespace)
    found = OmegaConf.to_container(_merge_yaml_and_cli_args(known, rest), resolve=False)
    assert isinstance(found, dict)
    return found


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["yes", "No", "~", "null", "None", "1e3", "0o7", "12:30:45", "2026-01-01", "$(X)", "$$", "a=b", "- x", "k: v # c",
     "'", '"', "\\", "\n", "!!str x", "&a", "*a", "%", "@", "`", "{", "[", "true", ".inf", "", " ", "0123"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT.filter(lambda t: "${" not in t and t != "???")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXT.filter(lambda t: "${" not in t and "." not in t), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(value=VALUES)
def test_any_value_arrives_as_it_was_written(value: Any, recipe: Path) -> None:
    found = read_by_torchtune(arguments({"extra.setting": value}), recipe)

    assert found["extra"]["setting"] == value
    assert type(found["extra"]["setting"]) is type(value)


@settings(max_examples=200)
@given(key=st.text(min_size=1, max_size=12))
def test_any_key_arrives_or_is_refused(key: str, recipe: Path) -> None:
    try:
        args = arguments({key: "x"})
    except ConfigError:
        with pytest.raises(ConfigError, match=re.escape(repr(key))):
            arguments({key: "x"})
        return
    if key.startswith("~"):
        return
    found: Any = read_by_torchtune(args, recipe)
    at_key = OmegaConf.select(OmegaConf.create(found), key)
    # A component keeps what else is said of it.
    assert at_key == "x" or at_key["_component_"] == "x"


def test_nan_arrives_as_nan(recipe: Path) -> None:
    assert math.isnan(read_by_torchtune(arguments({"a": math.nan}), recipe)["a"])


@pytest.mark.parametrize("number", [np.float64(1e-8), np.float32(0.5), np.int64(3)], ids=repr)
def test_a_number_of_numpys_arrives_as_a_number(number: Any, recipe: Path) -> None:
    assert read_by_torchtune(arguments({"optimizer.eps": number}), recipe)["optimizer"]["eps"] == number.item()


@pytest.mark.parametrize("value", ["???", ["???"], {"a": "???"}], ids=repr)
def test_torchtunes_mark_of_a_missing_value_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"my\.key is '\?\?\?', .*missing"):
        arguments({"my.key": value})


def test_a_component_with_arguments_is_spelt_out(recipe: Path) -> None:
    found = read_by_torchtune(
        arguments({"optimizer": {"_component_": "torch.optim.SGD", "lr": 1e-3}, "~optimizer.fused": None}), recipe
    )

    assert found["optimizer"] == {"_component_": "torch.optim.SGD", "lr": 1e-3}


def test_an_interpolation_of_torchtune_passes(recipe: Path) -> None:
    found = read_by_torchtune(arguments({"log": "${output_dir}/logs"}), recipe)

    assert found["log"] == "${output_dir}/logs"


@pytest.mark.parametrize("text", ["${", "${a", "${a b}", "${oc.env:HOME}", "$${x"])
def test_text_that_only_looks_like_an_interpolation_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="interpolation"):
        arguments({"a": text})


@pytest.mark.parametrize("value", [object(), {1: 2}, b"x"], ids=["object", "a key that is no text", "bytes"])
def test_what_torchtune_cannot_read_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigError, match="my.key"):
        arguments({"my.key": value})


def test_an_argument_that_is_too_long_for_linux_is_refused() -> None:
    (longest,) = arguments({"k": "x" * (MAX_BYTES - 3)})
    assert subprocess.run(["true", longest], check=False).returncode == 0

    with pytest.raises(ConfigError, match="config: k takes 131072 bytes"):
        arguments({"k": "x" * (MAX_BYTES - 2)})
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["true", f"{longest}x"], check=False)


def test_more_arguments_than_a_trainjob_takes_are_refused() -> None:
    assert len(arguments({f"k{number}": number for number in range(128)})) == 128

    with pytest.raises(ConfigError, match="config: makes 129 arguments .*takes 128"):
        arguments({f"k{number}": number for number in range(129)})


def test_plain_words_stay_readable() -> None:
    assert arguments({"dtype": "bf16", "model": "torchtune.models.x", "optimizer.lr": 3e-4, "epochs": 1}) == [
        "dtype=bf16",
        "model=torchtune.models.x",
        "optimizer.lr=0.0003",
        "epochs=1",
    ]
