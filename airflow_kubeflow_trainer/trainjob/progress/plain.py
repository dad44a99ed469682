"""Lines of training loops that people write themselves: ``key=value`` pairs, JSON objects, "Epoch 3 step 10 loss: 1.2".

Conservative, since a log is full of numbers. A line counts where it says where the training is (a step or an epoch) and
has a metric with a usual name, or where it is nothing but pairs and one of them is a loss.
"""

from __future__ import annotations

import re

from airflow_kubeflow_trainer.trainjob.progress.protocol import decode
from airflow_kubeflow_trainer.trainjob.progress.reading import (
    EPOCH_NAMES,
    STEP_NAMES,
    Origin,
    Reading,
    is_name,
    number,
    numeric,
    reading_of,
)

_USUAL = re.compile(
    r"(?:\w{1,40}[_/.-])?(?:loss|lr|learning_rate|acc|accuracy|perplexity|ppl|grad_norm|reward|f1|auc|auroc|mae|mse|rmse"
    r"|bleu|wer|mfu|throughput|precision|recall)(?:[_/.-]\w{1,20})?"
    r"|(?:tokens?|samples?|steps?|examples?)_per_(?:sec|second)(?:_per_gpu)?|(?:tokens|samples|steps)/s(?:ec)?",
    re.IGNORECASE,
)
_NOT_METRICS = re.compile(
    r"ts|time|timestamp|level|levelno|pid|tid|thread|process|rank|local_rank|world_size|line|lineno|port|seed|host|node|id|v",
    re.IGNORECASE,
)
_PAIR = re.compile(r"([A-Za-z_][\w./@-]{0,63})(?:=| ?: ?|= )([-+.\w]{1,40})")
# Whatever parts pairs; a line of nothing but pairs has nothing else between them.
_ONLY_PARTING = re.compile(r"[\s,;|\[\]()-]*")
# Epoch 3, Epoch: [3/10], epoch=3, Step 10/100, Train Epoch: 1 [640/60000 (1%)]
_WHERE = re.compile(
    r"(?<!\w)(?P<what>epoch|step|global_step|iter|iteration)s?(?:=|: ?| |#){0,2}\[?(?P<at>\d{1,15})"
    r"(?:(?:/| of )(?P<total>\d{1,15}))?\]?(?: \[(?P<done>\d{1,15})/(?P<rows>\d{1,15})\b)?",
    re.IGNORECASE,
)


def may_speak(lowered: str) -> bool:
    """Whether the line is worth a closer look; cheap, and right for nearly every line that is not."""
    return "loss" in lowered or "step" in lowered or "epoch" in lowered or "iter" in lowered


def read_json(text: str) -> Reading | None:
    """Read a JSON object with a step or an epoch, and a usual metric."""
    said = decode(text)
    if said is None:
        return None
    values = {
        name: value
        for name, raw in said.items()
        if not isinstance(raw, str) and (value := numeric(raw)) is not None and not _NOT_METRICS.fullmatch(name)
    }
    return _reading(values)


def read_pairs(text: str) -> Reading | None:
    """Read ``key=value`` and ``key: value``, with or without words around them."""
    values: dict[str, float] = {}
    between, end = [], 0
    for found in _PAIR.finditer(text):
        value = number(found[2])
        if value is not None:
            values[found[1]] = value
            between.append(text[end : found.start()])
            end = found.end()
    if not values:
        return None
    between.append(text[end:])
    where = _where(text)
    if all(_ONLY_PARTING.fullmatch(part) for part in between):
        values = {name: value for name, value in values.items() if not _NOT_METRICS.fullmatch(name)}
    else:
        # Among words, only what certainly is a metric.
        values = {name: value for name, value in values.items() if _USUAL.fullmatch(name)}
        if where is None:
            return None
    return _reading(values, where)


def _reading(values: dict[str, float], where: Reading | None = None) -> Reading | None:
    metrics = [name for name in values if _USUAL.fullmatch(name)]
    placed = where is not None or any(name.lower() in STEP_NAMES | EPOCH_NAMES for name in values)
    if not metrics or not (placed or any("loss" in name.lower() for name in metrics)):
        return None
    reading = reading_of(Origin.PLAIN, {name: value for name, value in values.items() if is_name(name)})
    if where is not None:
        reading.step = where.step if where.step is not None else reading.step
        reading.total_steps = where.total_steps or reading.total_steps
        reading.epoch = where.epoch if where.epoch is not None else reading.epoch
        reading.total_epochs = where.total_epochs or reading.total_epochs
    return reading


def _where(text: str) -> Reading | None:
    reading = None
    for found in _WHERE.finditer(text):
        reading = reading or Reading(origin=Origin.PLAIN)
        at, total = int(found["at"]), int(found["total"]) if found["total"] else None
        if found["what"].lower() == "epoch":
            reading.epoch, reading.total_epochs = float(at), None if total is None else float(total)
            if found["rows"] and int(found["rows"]):
                # "Train Epoch: 1 [640/60000 (1%)]": the first epoch, a hundredth of it.
                reading.epoch = max(at - 1, 0) + int(found["done"]) / int(found["rows"])
        else:
            reading.step, reading.total_steps = at, total
    return reading
