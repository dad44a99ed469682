"""How grave a line of a training's log is, by the forms in which programs say so."""

from __future__ import annotations

import logging
import re

_LEVELS = {
    "DEBUG": logging.INFO,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.ERROR,
    "FATAL": logging.ERROR,
}
_RANK = r"(?:\[(?:rank|default)\d+\]:\s?)?"
_GLOG = re.compile(rf"{_RANK}\[?([WEF])\d{{4}} \d\d:\d\d:\d\d")
"""``E1128 16:53:21.917000 28863 torch/distributed/...``: torch's loggers, and native code."""
_WORD = rf"({'|'.join(_LEVELS)})\b"
_DATED = re.compile(rf"{_RANK}[\d\-/:.,TZ+\[\]()\s]*\d[\]:.,Z)]*\s+{_WORD}")
_NAMED = re.compile(rf"{_RANK}(?:\S+\s+){{0,6}}?\S*?\b{_WORD}(?=\s*[\]:|>-]|\s{{2,}}|$)")
"""``ERROR: ...``, ``WARNING:root:...``, ``2026-11-28 10:00:00,123 - trainer - ERROR - ...``, ``[ERROR] ...``."""
_JSON = re.compile(r'\{.*"(?:level|levelname|severity)"\s*:\s*"(\w+)"')
_WARNS = re.compile(rf"{_RANK}\S+:\d+: \w*Warning: ")
"""Python's module ``warnings``."""
_RAISES = re.compile(
    rf"{_RANK}(?:Traceback \(most recent call last\):$|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: |$))"
)
MAX_SEARCHED = 400


def level_of(text: str) -> int:
    """Give INFO, WARNING or ERROR, as the module ``logging`` numbers them."""
    head = text[:MAX_SEARCHED]
    if (glog := _GLOG.match(head)) is not None:
        return logging.WARNING if glog[1] == "W" else logging.ERROR
    named = _DATED.match(head) or _NAMED.match(head) or _JSON.match(head)
    if named is not None:
        return _LEVELS.get(named[1].upper(), logging.INFO)
    if _WARNS.match(head):
        return logging.WARNING
    return logging.ERROR if _RAISES.match(head) else logging.INFO
