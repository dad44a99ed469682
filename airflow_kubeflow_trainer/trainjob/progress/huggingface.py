"""Lines of Hugging Face's Trainer, and of those that are built on it (TRL, PEFT, Axolotl).

Source: transformers 5.23 trainer_callback.py. ProgressCallback and PrinterCallback print a dict whose floats are
strings (``{'loss': '4.15', 'epoch': '0.2'}``), transformers 4 prints the floats themselves. No step is among them.
"""

from __future__ import annotations

import re

from airflow_kubeflow_trainer.trainjob.progress.reading import Origin, Reading, number, reading_of

MARK = "{'"

_ITEM = r"'([^'\\{}]{1,80})': (?:'([^'\\]{0,200})'|([^\s,'{}\[\]()]{1,40}))"
_ITEMS = re.compile(_ITEM)
_DICT = re.compile(rf"\{{{_ITEM}(?:, {_ITEM}){{0,200}}\}}")


def read_dict(text: str) -> Reading | None:
    """Read a dict that tells of an epoch or a loss, as every one of Trainer's does; another dict is not for us."""
    start = text.find(MARK)
    found = _DICT.match(text, start) if start >= 0 else None
    # Something that goes on after the dict is a sentence about it.
    if found is None or text[found.end() :].strip():
        return None
    values: dict[str, float] = {}
    for name, quoted, bare in _ITEMS.findall(found[0]):
        value = number(quoted or bare)
        if value is not None:
            values[name.replace(" ", "_")] = value
    if "epoch" not in values and not any(name == "loss" or name.endswith("_loss") for name in values):
        return None
    reading = reading_of(Origin.HUGGING_FACE, values)
    return reading if reading.metrics else None
