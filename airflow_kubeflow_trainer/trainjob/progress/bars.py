"""tqdm's progress bars.

A bare bar may be anything: Hugging Face's Trainer has one for the training and one for each evaluation. So a bar only
offers a position (``Reading.bar``), and :class:`BarWatch` decides. A bar with words before it counts only where the
words are Lightning's ``Epoch 3:``; all others are downloads and data sets being read.
"""

from __future__ import annotations

import re

from airflow_kubeflow_trainer.trainjob.progress.reading import Origin, Reading, is_name, number

MARK = "%|"

_BAR = re.compile(
    r"(?P<words>[^|]{0,80}?)\s*\d{1,3}%\|[^|]{0,400}\| *(?P<done>\d{1,15})/(?P<total>\d{1,15}) "
    r"\[(?P<rest>[^\]]{0,400})\]?"
)
_EPOCH = re.compile(r"Epoch (\d{1,9})(?:/(\d{1,9}))?:")
_POSTFIX = re.compile(r", ([A-Za-z_][\w./@-]{0,63})=([-+.\w]{1,40})")


def read_bar(text: str) -> Reading | None:
    """Read ``48%|####8     | 12/25 [00:03<00:04,  3.2it/s]``, or Lightning's, which ends in ``, train_loss=1.2]``."""
    found = _BAR.match(text)
    if found is None:
        return None
    done, total, words = int(found["done"]), int(found["total"]), found["words"].strip()
    if not total:
        return None
    if not words:
        return Reading(origin=Origin.HUGGING_FACE, bar=(done, total))
    epoch = _EPOCH.fullmatch(words)
    if epoch is None:
        return None
    metrics = {name: value for name, text in _POSTFIX.findall(found["rest"]) if (value := number(text)) is not None}
    metrics.pop("v_num", None)
    begun = int(epoch[1])
    return Reading(
        origin=Origin.PLAIN,
        step=begun * total + done,
        epoch=begun + done / total,
        metrics={name: value for name, value in metrics.items() if is_name(name)},
    )


class BarWatch:
    """Tells the training's bar from the others, which come and go between its steps."""

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        """Total of the bar that is taken for the training's."""
        self._confirmed = total is not None
        self._latest: tuple[int, int] | None = None
        self._done = 0

    def see(self, bar: tuple[int, int]) -> bool:
        """Take note of a bar; True where it is the training's."""
        self._latest = bar
        done, total = bar
        if self.total is None or (total != self.total and not self._confirmed and self._done >= self.total):
            self.total, self._done = total, 0
        if total != self.total:
            return False
        self._done = done
        return True

    def confirm(self) -> None:
        """Say that the training has spoken: the bar that was drawn last is its own."""
        if self._latest is None or (self._confirmed and self._done < (self.total or 0)):
            return
        self._confirmed = True
        if self.total != self._latest[1]:
            self._done, self.total = self._latest
