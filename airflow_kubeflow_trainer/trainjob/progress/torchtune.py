"""TorchTune's lines: the progress bar, the lines of its StdoutLogger and DiskLogger, and the config that it prints.

Source: torchtune 0.6.1 recipes/*.py (``pbar.set_description``) and torchtune/training/metric_logging.py.
"""

from __future__ import annotations

import re

from airflow_kubeflow_trainer.trainjob.progress.reading import Origin, Reading, counter, is_name, number

BAR_MARK = "|Loss: "
STEP_MARK = "Step "

# Epoch (from 1), step over all epochs, loss; then tqdm's own counts, which lag behind by one.
_BAR = re.compile(r"(\d{1,9})\|(\d{1,15})\|Loss: ([-+.\w]{1,40})(?:: +\d+%\|[^|]{0,400}\| *\d+/(\d{1,15}) \[)?")
_STEP = re.compile(r"(?:^|\W)Step (\d{1,15}) \| (\S+:\S+(?: \S+:\S+)*)")
_CONFIG = re.compile(r"(epochs|max_steps_per_epoch): (\d{1,9})$")


def read_bar(text: str) -> Reading | None:
    """Read ``1|12|Loss: 1.79:  48%|####8     | 12/25 [00:03<00:04,  3.2it/s]``."""
    found = _BAR.search(text)
    if found is None:
        return None
    epoch, step, loss, steps_per_epoch = found.groups()
    value = number(loss)
    if value is None:
        return None
    reading = Reading(origin=Origin.TORCHTUNE_BAR, step=int(step), metrics={"loss": value})
    if steps_per_epoch and int(steps_per_epoch):
        reading.epoch = int(step) / int(steps_per_epoch)
        reading.bar = int(step), int(steps_per_epoch)
    else:
        reading.epoch = float(int(epoch) - 1)
    return reading


def read_step(text: str) -> Reading | None:
    """Read ``Step 12 | loss:1.59 lr:0.001 tokens_per_second_per_gpu:1922.2``."""
    found = _STEP.search(text)
    if found is None:
        return None
    metrics: dict[str, float] = {}
    for pair in found[2].split(" "):
        name, _, written = pair.rpartition(":")
        value = number(written)
        if value is not None and is_name(name):
            metrics[name] = value
    return Reading(origin=Origin.TORCHTUNE_LOGGER, step=counter(float(found[1])), metrics=metrics) if metrics else None


class ConfigReader:
    """Takes the number of epochs from the config that a recipe prints before it begins; no line of it counts them."""

    MARK = "with resolved config:"
    _MAX_LINES = 400

    def __init__(self) -> None:
        self._lines_left = 0

    @property
    def reading(self) -> bool:
        """Whether the lines that come are the config's."""
        return self._lines_left > 0

    def begin(self) -> None:
        self._lines_left = self._MAX_LINES

    def read(self, line: str) -> float | None:
        """Give the number of epochs, where this line has it."""
        self._lines_left -= 1
        found = _CONFIG.fullmatch(line.rstrip())
        if found is None or found[1] != "epochs":
            return None
        self._lines_left = 0
        return float(found[2])
