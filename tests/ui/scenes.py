"""Records of trainings that never were, made by the Recorder from the lines that real ones print."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from typing import Any

from airflow_kubeflow_trainer.trainjob.diagnosis import Evidence, diagnose_failure
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import Recorder

NAMESPACE = "ml"
CONFIG = ("Running LoRAFinetuneRecipeDistributed with resolved config:", "", "epochs: 3", "")


class Scene:
    """A training as it would look at this moment."""

    def __init__(self, name: str, *, uid: str | None = None, seed: int = 0) -> None:
        self.name = name
        self.now = time.time()
        self.recorder = Recorder(name=name, namespace=NAMESPACE, uid=uid or f"uid-of-{name}")
        self._random = random.Random(seed)
        self._pods: list[Pod] = []
        self.recorder.see_trainjob(
            {"spec": {"runtimeRef": {"name": "torchtune-llama3.2-1b"}, "trainer": {"numNodes": 2}}}
        )

    def phases(self, *entries: tuple[Phase, float], reason: str = "", message: str = "") -> None:
        """Go through phases, each given with how many seconds ago it began."""
        for phase, ago in entries:
            last = (phase, ago) == entries[-1]
            report = PhaseReport(phase, reason, message) if last else PhaseReport(phase)
            self.recorder.see_phase(report, self.now - ago)

    def train(self, steps: int, *, of_epoch: int, began: float, floor: float = 0.9, speed: float = 1.0) -> None:
        """Print as TorchTune does, step by step; the last one just now."""
        progress = self.recorder.progress
        for line in CONFIG:
            progress.feed(line, self.now - began)
        for step, loss in self._losses(steps, floor, speed):
            at = self.now - began + began * 0.995 * step / steps
            done = (step - 1) % of_epoch + 1
            bar = f"{100 * done // of_epoch}%|###| {done}/{of_epoch} [00:10<00:20,  1.7it/s]"
            progress.feed(f"{(step - 1) // of_epoch + 1}|{step}|Loss: {loss}:  {bar}", at)
            rate = 3e-4 * min(1.0, step / 100) * (1 + math.cos(math.pi * step / (3 * of_epoch))) / 2
            pace = 2480 + self._random.gauss(0, 60)
            norm = 0.4 + loss / 4 + abs(self._random.gauss(0, 0.05))
            progress.feed(f"Step {step} | loss:{loss} lr:{rate} tokens_per_second_per_gpu:{pace} grad_norm:{norm} ", at)

    def pod(self, job: str, index: int, state: dict[str, Any], *, phase: str = "Running", restarts: int = 0) -> None:
        """See a pod, of which ``state`` is its container's."""
        name = f"{self.name}-{job}-0-{index}-{'xkq7z' if index == 0 else 'p4m2d'}"
        seen = {
            "metadata": {
                "name": name,
                "uid": name,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {
                    "jobset.sigs.k8s.io/replicatedjob-name": job,
                    "batch.kubernetes.io/job-completion-index": str(index),
                },
            },
            "spec": {"nodeName": f"gpu-a100-{3 + index}"},
            "status": {
                "phase": phase,
                "containerStatuses": [{"name": job, "restartCount": restarts, "state": state, "lastState": {}}],
            },
        }
        self._pods.append(Pod.from_object(seen))
        self.recorder.see_pod(self._pods[-1])

    def event(self, reason: str, message: str, *, ago: float, about: str, kind: str = "Normal", count: int = 1) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now - ago))
        involved = {"kind": about.split("/")[0], "name": about.split("/")[1]}
        self.recorder.see_event(
            {"reason": reason, "message": message, "type": kind, "count": count, "lastTimestamp": moment}
            | {"involvedObject": involved, "metadata": {}}
        )

    def fail(self, report: PhaseReport) -> None:
        """End as those who wait for it see it."""
        evidence = Evidence("node")
        for pod in self._pods:
            evidence.remember(pod)
        self.recorder.see_end(diagnose_failure(report, evidence))

    def record(self) -> dict[str, Any]:
        return self.recorder.to_record(self.now)

    def _losses(self, steps: int, floor: float, speed: float) -> Iterator[tuple[int, float]]:
        for step in range(1, steps + 1):
            falling = floor + 2.3 * math.exp(-speed * step / 180)
            yield step, max(0.05, falling + self._random.gauss(0, 0.07))


def manifest(name: str) -> dict[str, Any]:
    arguments = ["dtype=bf16", "batch_size=4", "epochs=3", "model.lora_rank=8"]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "runtimeRef": {"name": "torchtune-llama3.2-1b"},
            "trainer": {"command": ["tune", "run"], "args": arguments, "numNodes": 2},
        },
    }


RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def ended(code: int, reason: str, message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def running(name: str = "llama-3f9a2c", steps: int = 860) -> dict[str, Any]:
    scene = Scene(name)
    scene.phases((Phase.QUEUED, 1810), (Phase.STARTING, 1320), (Phase.INITIALIZING, 1215), (Phase.RUNNING, 1010))
    scene.train(steps, of_epoch=500, began=1000)
    scene.pod("dataset-initializer", 0, ended(0, "Completed"), phase="Succeeded")
    scene.pod("node", 0, RUNNING)
    scene.pod("node", 1, RUNNING)
    scene.event("Created", "Created container: node", ago=1010, about=f"Pod/{name}-node-0-0-xkq7z")
    scene.event(
        "Pulled", 'Successfully pulled image "ghcr.io/kubeflow/trainer/torchtune-trainer"', ago=1015, about="Pod/x"
    )
    return scene.record()


def queued(name: str = "llama-9d01be") -> dict[str, Any]:
    scene = Scene(name)
    words = (
        "couldn't assign flavors to pod set node: insufficient unused quota for nvidia.com/gpu in flavor "
        "a100, 1 more needed"
    )
    scene.phases((Phase.QUEUED, 260), reason="Pending", message=words)
    scene.event("Suspended", "TrainJob is suspended", ago=260, about=f"TrainJob/{name}")
    return scene.record()


def finished(name: str = "llama-77c04e") -> dict[str, Any]:
    scene = Scene(name, seed=3)
    scene.phases((Phase.STARTING, 4000), (Phase.INITIALIZING, 3920), (Phase.RUNNING, 3700), (Phase.SUCCEEDED, 400))
    scene.train(1500, of_epoch=500, began=3690)
    for index in (0, 1):
        scene.pod("node", index, ended(0, "Completed"), phase="Succeeded")
    scene.recorder.see_end(None)
    return scene.record()


def failed(name: str = "llama-e51b08") -> dict[str, Any]:
    scene = Scene(name, seed=5)
    words = f"jobset failed due to one or more job failures (first failed job: {name}-node-0)"
    scene.phases(
        (Phase.STARTING, 2100),
        (Phase.INITIALIZING, 2040),
        (Phase.RUNNING, 1800),
        (Phase.FAILED, 300),
        reason="FailedJobs",
        message=words,
    )
    scene.train(410, of_epoch=500, began=1790)
    pod = f"{name}-node-0-1-p4m2d"
    scene.pod("node", 0, ended(1, "Error", "Connection closed by peer"), phase="Failed", restarts=6)
    scene.pod("node", 1, ended(137, "OOMKilled"), phase="Failed", restarts=6)
    scene.event(
        "BackOff", "Back-off restarting failed container node", ago=500, about=f"Pod/{pod}", kind="Warning", count=6
    )
    scene.event("Killing", "Stopping container node", ago=320, about=f"Pod/{pod}")
    scene.fail(PhaseReport(Phase.FAILED, "FailedJobs", words))
    return scene.record()


def diverged() -> dict[str, Any]:
    scene = Scene("llama-nan")
    scene.phases((Phase.RUNNING, 600))
    scene.train(120, of_epoch=500, began=600)
    for step in (121, 122):
        scene.recorder.progress.feed(f"1|{step}|Loss: nan:  24%|##| {step}/500 [00:10<00:20,  1.7it/s]", scene.now)
    return scene.record()


def one_of_a_sweep(index: int, count: int) -> dict[str, Any]:
    scene = Scene(f"sweep-{index}", seed=index)
    ended_already = index % 3 == 0
    scene.phases((Phase.STARTING, 1900), (Phase.RUNNING, 1800), *([(Phase.SUCCEEDED, 30.0)] if ended_already else []))
    steps = 1500 if ended_already else 700 + 90 * index
    scene.train(steps, of_epoch=500, began=1790, floor=0.75 + 0.16 * ((index * 5) % count), speed=0.5 + index / count)
    return scene.record()
