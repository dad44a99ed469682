"""Which try of which task a TrainJob belongs to, and what it is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Self

PREFIX = "airflow.kubeflow-trainer.io"
"""Of all our labels and annotations."""
MANAGER = f"{PREFIX}/operator"
"""Manager of the patch that labels pods and mounts the output."""
MANAGED_BY_LABEL, MANAGED_BY = "app.kubernetes.io/managed-by", "airflow-kubeflow-trainer"
TASK_LABEL, TRY_LABEL = f"{PREFIX}/task", f"{PREFIX}/try-number"
TI_ANNOTATION, _TRY_ANNOTATION = f"{PREFIX}/task-instance-id", f"{PREFIX}/try-number"
ON_KILL_ANNOTATION = f"{PREFIX}/on-kill-action"
"""What is to become of the TrainJob when somebody ends its task."""
CLAIM_ANNOTATION = f"{PREFIX}/trainjob-uid"
"""On a claim that outlives its TrainJob: which TrainJob of ours it was made for (cluster/leftovers.py)."""
HASH_LENGTH = 8


@dataclass(frozen=True, kw_only=True)
class TaskIdentity:
    """One try of one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    """-1 where the task is not mapped."""
    try_number: int
    ti_id: str = ""
    """Airflow's own id of this try; another run that is given the same ids again has another."""

    @classmethod
    def of(cls, trainjob: Mapping[str, Any]) -> Self | None:
        """Read whose a TrainJob is; None where it is no task's."""
        found = trainjob["metadata"].get("annotations") or {}
        try:
            return cls(
                dag_id=found[f"{PREFIX}/dag-id"],
                run_id=found[f"{PREFIX}/run-id"],
                task_id=found[f"{PREFIX}/task-id"],
                map_index=int(found[f"{PREFIX}/map-index"]),
                try_number=int(found[_TRY_ANNOTATION]),
                ti_id=found[TI_ANNOTATION],
            )
        except (KeyError, ValueError):
            return None

    def __str__(self) -> str:
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{mapped} (run {self.run_id}, try {self.try_number})"

    def labels(self) -> dict[str, str]:
        """Labels to find a task's TrainJobs by. Ids may hold what labels cannot, so a hash of them stands here."""
        return {MANAGED_BY_LABEL: MANAGED_BY, TASK_LABEL: self._task_hash(), TRY_LABEL: str(self.try_number)}

    def annotations(self) -> dict[str, str]:
        """The raw ids, for people."""
        return {
            f"{PREFIX}/dag-id": self.dag_id,
            f"{PREFIX}/run-id": self.run_id,
            f"{PREFIX}/task-id": self.task_id,
            f"{PREFIX}/map-index": str(self.map_index),
            _TRY_ANNOTATION: str(self.try_number),
            TI_ANNOTATION: self.ti_id,
        }

    def selector(self, *, any_try: bool) -> str:
        """Label selector for this try's TrainJob, or for those of all tries of the task instance."""
        labels = self.labels()
        if any_try:
            del labels[TRY_LABEL]
        return ",".join(f"{key}={value}" for key, value in labels.items())

    def owns(self, trainjob: Mapping[str, Any]) -> bool:
        """Whether a TrainJob is this very try's."""
        annotations = trainjob["metadata"].get("annotations") or {}
        return self.annotations().items() <= annotations.items()

    def names(self, name: str) -> bool:
        """Whether this try's TrainJob may be called so; a copy of it that somebody makes is called otherwise."""
        return name.endswith(_digest(*astuple(self))[1:HASH_LENGTH])

    def follows(self, trainjob: Mapping[str, Any]) -> bool:
        """Whether a TrainJob is that of an earlier try of the same task instance."""
        annotations = dict(trainjob["metadata"].get("annotations") or {})
        earlier = annotations.pop(_TRY_ANNOTATION, "")
        mine = {key: value for key, value in self.annotations().items() if key not in (_TRY_ANNOTATION, TI_ANNOTATION)}
        return mine.items() <= annotations.items() and earlier.isdecimal() and int(earlier) < self.try_number

    def _task_hash(self) -> str:
        return _digest(self.dag_id, self.run_id, self.task_id, self.map_index)[:40]


def trainjob_name(identity: TaskIdentity, *, base: str | None = None, max_length: int = 33) -> str:
    """Name a try's TrainJob: ``<slug>-<hash>``, the same each time, and no two tries the same.

    :param base: what the slug is made of. Default: DAG and task id.
    :param max_length: longest name that the runtime bears; see :meth:`RuntimeView.max_name_length`.
    """
    digest = _digest(*astuple(identity))[:HASH_LENGTH]
    room = max_length - HASH_LENGTH - 1
    slug = _slug(base or f"{identity.dag_id}-{identity.task_id}")[: max(room, 0)].strip("-")
    # RFC 1035 wants a letter first, and Trainer does too.
    return f"{slug}-{digest}" if slug else f"t{digest[1:]}"


def path_segment(text: str) -> str:
    """Make one folder name of any id: letters, digits and ``._+-`` stay, all else becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text).lstrip(".") or "_"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789").strip("-")


def _digest(*parts: Any) -> str:
    # Each part with its length, so that no two lists of parts can spell the same text.
    text = "".join(f"{len(str(part))}:{part}," for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
