"""What is remembered of a TrainJob while its pods are there.

Trainer's own words name a Job and nothing else ("first failed job: X-node-0"); exit codes, reasons and messages are on
the pods, and what happened in them is in their logs. Kubernetes deletes both soon after a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_kubeflow_trainer.trainjob.pods import Pod, Termination

MAX_PODS = 64
"""How many pods are remembered one by one; failed ones push out others."""


@dataclass
class Evidence:
    """The pods of one TrainJob as they were last seen, and what they wrote, kept after they are gone."""

    trainer_job: str
    pods: dict[str, Pod] = field(default_factory=dict)
    logs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The last lines of the newest run that failed, by name of the pod."""
    trainer_succeeded: bool = False
    """Whether any pod of the trainer's job was ever seen to succeed."""
    returned: str | None = None
    """Termination message of the trainer's rank 0, once it has succeeded: what a training function returned."""
    trained_since: float | None = None
    """When the first container of the trainer's job began to run, in seconds since the epoch by the server's clock."""

    def remember(self, pod: Pod) -> None:
        """Take note of a pod; of a job with very many, those that tell of a failure are kept."""
        if pod.job == self.trainer_job:
            self.trainer_succeeded |= pod.phase == "Succeeded"
            if pod.main is not None and pod.main.started_at is not None:
                self.trained_since = min(self.trained_since or pod.main.started_at, pod.main.started_at)
            if pod.index == 0 and pod.main is not None and pod.main.terminated is not None:
                succeeded = pod.main.terminated.exit_code == 0
                self.returned = pod.main.terminated.message if succeeded else self.returned
        known = self.pods.get(pod.uid)
        if known is not None and (pod.stopping or _hides_failure(known, pod)):
            return
        if known is None and len(self.pods) >= MAX_PODS and not self._make_room():
            return
        self.pods[pod.uid] = pod

    def forget(self, pod: Pod) -> None:
        """Take note that a pod is gone; only one that failed, or was taken away, still has something to tell."""
        known = self.pods.get(pod.uid)
        if known is not None and failure_of(known) is None and not known.disrupted:
            del self.pods[pod.uid]

    def hear(self, pod: str, lines: Sequence[str]) -> None:
        """Take note of the last lines that a pod wrote before it failed."""
        if lines:
            self.logs[pod] = tuple(lines)

    def last_words(self, pod: str | None) -> tuple[str, ...]:
        """Give the lines that a pod left as its termination message when it failed, such as a function's traceback."""
        failures = (failure_of(known) for known in self.pods.values() if known.name == pod)
        lines = next((failure.message.splitlines() for failure in failures if failure is not None), [])
        return tuple(lines) if len(lines) > 1 else ()

    def start_over(self) -> None:
        """Take note that the TrainJob is suspended: its next pods begin anew."""
        self.trained_since = None

    def ended_badly(self) -> list[Pod]:
        """List the pods that failed or were taken away, of each place the newest.

        What was replaced is no cause any more.
        """
        newest: dict[tuple[str, int], Pod] = {}
        for pod in sorted(self.pods.values(), key=lambda pod: pod.created_at):
            if failure_of(pod) is not None or pod.disrupted:
                newest[pod.job, pod.index] = pod
        return list(newest.values())

    def _make_room(self) -> bool:
        for uid, pod in self.pods.items():
            if failure_of(pod) is None and not pod.disrupted and pod.index != 0:
                del self.pods[uid]
                self.logs.pop(pod.name, None)
                return True
        return False

    def never_started(self) -> list[Pod]:
        """List the pods of which no container has run yet."""
        return [
            pod
            for pod in self.pods.values()
            if pod.phase == "Pending" and (pod.main is None or pod.main.started_at is None)
        ]

    def troubles(self) -> list[str]:
        """Say for each pod that does not run why it does not."""
        return [f"{pod.name}: {pod.trouble}" for pod in self.pods.values() if pod.phase == "Pending" and pod.trouble]


def failure_of(pod: Pod) -> Termination | None:
    """Give how a pod's container failed; None where it did not."""
    return pod.main.failure if pod.main is not None else None


def _hides_failure(known: Pod, pod: Pod) -> bool:
    """Whether a pod's new state no longer shows a failure that it has not got over."""
    return failure_of(known) is not None and failure_of(pod) is None and pod.phase != "Succeeded"
