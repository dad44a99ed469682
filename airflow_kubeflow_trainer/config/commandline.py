"""Overrides as TorchTune's own command line writes them: ``["optimizer.lr=1e-3", "~optimizer.fused"]``."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any


def overrides_of(items: Sequence[Any]) -> dict[str, Any]:
    """Read ``key=value`` and ``~key`` as TorchTune would; unlike there, a value may hold ``=``.

    :raises ValueError: an item is neither.
    """
    found: dict[str, Any] = {}
    for item in items:
        key, value = _read(item)
        # The last one wins, and stands last.
        found.pop(key, None)
        found[key] = value
    return found


def _read(item: Any) -> tuple[str, Any]:
    if not isinstance(item, str):
        raise ValueError(f"{item!r} must be text, 'key=value' or '~key'")
    key, assigned, text = item.partition("=")
    deletes = item.startswith("~")
    if deletes == bool(assigned) or not key.removeprefix("~"):
        raise ValueError(f"{item!r} must be 'key=value', or '~key' to delete one")
    return (key, None) if deletes else (key, _read_value(text, key))


def _read_value(text: str, key: str) -> Any:
    if text == "None":
        return None
    if "max_filename" in key:
        # TorchTune keeps its leading zeros.
        return text
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{key}={text!r} is no YAML, as which TorchTune reads it; put the text into quotes") from error


@functools.cache
def _loader() -> Any:
    """Make the dialect of YAML that OmegaConf reads: 1e-3 is a number, and dates are text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in Loader.yaml_implicit_resolvers.items()
    }
    return Loader


_FLOAT = re.compile(
    r"""^(?:
        [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
       |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
       |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
       |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
       |[-+]?\.(?:inf|Inf|INF)
       |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
"""As OmegaConf's (omegaconf/_yaml.py)."""
