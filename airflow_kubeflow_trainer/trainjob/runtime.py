"""What we need to know of a training runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

ANCESTOR_LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"
TRAINER, DATASET_INITIALIZER, MODEL_INITIALIZER = "trainer", "dataset-initializer", "model-initializer"
WORKSPACE = "/workspace"
OUTPUT_PATH = f"{WORKSPACE}/output"

MAX_POD_NAME = 63
"""JobSet refuses longer names of pods, by an event only."""


@dataclass(frozen=True)
class RuntimeContainer:
    """One container of a runtime's replicated job."""

    name: str
    volume_mounts: tuple[str, ...] = ()
    """Names of the volumes that it mounts."""


@dataclass(frozen=True)
class RuntimeJob:
    """One replicated job of a runtime."""

    name: str
    step: str
    """What it does: ``trainer``, ``dataset-initializer``, ``model-initializer``, or nothing that Trainer knows."""
    containers: tuple[RuntimeContainer, ...]


@dataclass(frozen=True)
class RuntimeView:
    """A runtime, as far as a TrainJob depends on it."""

    name: str
    kind: str
    jobs: tuple[RuntimeJob, ...]
    resources: Mapping[str, Any]
    """Resources of the trainer's container; what a TrainJob without resources gets."""
    output_dies_with_trainjob: bool
    """Whether /workspace lies on a claim that is deleted with the TrainJob."""
    policy: str = "torch"
    """Trainer's policy, which says how the processes start: ``torch``, ``mpi``, ``jax``, ``xgboost``, ...; empty where
    the runtime has none."""
    claims_unretained: tuple[int, ...] = ()
    """Which of its volumeClaimPolicies, as it was read, state no retentionPolicy."""

    @classmethod
    def from_object(cls, runtime: Mapping[str, Any]) -> Self:
        """Read a ClusterTrainingRuntime or TrainingRuntime."""
        metadata, spec = runtime["metadata"], runtime["spec"]
        template = spec["template"]["spec"]
        trainer: Mapping[str, Any] = next((job for job in template["replicatedJobs"] if _step(job) == TRAINER), {})
        return cls(
            name=metadata["name"],
            kind=runtime.get("kind", "ClusterTrainingRuntime"),
            jobs=tuple(_job(job) for job in template["replicatedJobs"]),
            resources=next((c.get("resources") or {} for c in _containers(trainer)), {}),
            output_dies_with_trainjob=_claim_dies(template),
            policy=next((key for key in spec.get("mlPolicy") or {} if key != "numNodes"), ""),
            claims_unretained=_unretained(template),
        )

    @classmethod
    def stock(cls, name: str) -> Self | None:
        """Give a ClusterTrainingRuntime as Trainer 2.3 ships it; None where it ships none of that name."""
        if name in _STOCK_TORCHTUNE:
            return cls.torchtune(name, kind="ClusterTrainingRuntime")
        policy = _STOCK_PLAIN.get(name)
        if policy is None:
            return None
        plain = cls.plain(name, kind="ClusterTrainingRuntime")
        return replace(plain, policy=policy, jobs=_MPI_JOBS if policy == "mpi" else plain.jobs)

    @classmethod
    def torchtune(cls, name: str, *, kind: str) -> Self:
        """Give a runtime the shape of Trainer's TorchTune runtimes."""
        steps = (DATASET_INITIALIZER, MODEL_INITIALIZER)
        jobs = [RuntimeJob(step, step, (RuntimeContainer(step, ("initializer",)),)) for step in steps]
        node = RuntimeJob("node", TRAINER, (RuntimeContainer("node", ("initializer",)),))
        return cls(name, kind, (*jobs, node), {"limits": {"nvidia.com/gpu": 2}}, True)

    @classmethod
    def plain(cls, name: str, *, kind: str) -> Self:
        """Give a runtime the shape of torch-distributed: nodes, and nothing else."""
        return cls(name, kind, (RuntimeJob("node", TRAINER, (RuntimeContainer("node"),)),), {}, False)

    @property
    def trainer_job(self) -> str:
        """Name of the replicated job that trains; ``node`` where the runtime marks none."""
        return next((job.name for job in self.jobs if job.step == TRAINER), "node")

    def why_not_suspended(self) -> str | None:
        """Say why TrainJobs of this runtime cannot be suspended and resumed, and the remedy; None where they can.

        JobSet 0.12 fills in a retentionPolicy that is left out when a JobSet is created. What Trainer 2.3 applies later
        lacks it, and is refused as a change of what cannot change: a running job runs on, a suspended one never starts.
        """
        if not self.claims_unretained:
            return None
        policies = "/spec/template/spec/volumeClaimPolicies"
        edit = [
            {"op": "add", "path": f"{policies}/{index}/retentionPolicy", "value": {"whenDeleted": "Delete"}}
            for index in self.claims_unretained
        ]
        # A runtime's volumeClaimPolicies cannot be changed either, so it is made anew.
        return (
            f"TrainJobs of runtime {self.name!r} cannot be suspended or resumed, which a queue does, since its "
            "volumeClaimPolicies state no retentionPolicy. Remedy, while no TrainJob uses it: "
            f"kubectl get {self.kind.lower()} {self.name} -o json | kubectl patch --local -f - --type=json "
            f"-p '{json.dumps(edit)}' -o json | kubectl replace --force -f -"
        )

    def max_name_length(self) -> int:
        """How long a TrainJob's name may be: a pod is called ``<name>-<replicated job>-0-<index>-xxxxx``."""
        # Room for a thousand nodes; the initializers have one pod each.
        endings = (f"-{job.name}-0-{999 if job.step == TRAINER else 0}-xxxxx" for job in self.jobs)
        return MAX_POD_NAME - max((len(ending) for ending in endings), default=0)


_STOCK_TORCHTUNE = ("torchtune-llama3.2-1b", "torchtune-llama3.2-3b", "torchtune-qwen2.5-1.5b")
_STOCK_PLAIN = {
    "torch-distributed": "torch",
    "deepspeed-distributed": "mpi",
    "mlx-distributed": "mpi",
    "jax-distributed": "jax",
    "xgboost-distributed": "xgboost",
}
"""Policies of the others."""
_MPI_JOBS = (
    RuntimeJob("node", "", (RuntimeContainer("node"),)),
    RuntimeJob("launcher", TRAINER, (RuntimeContainer("node"),)),
)
"""On MPI, `node` runs sshd, and mpirun on the launcher reaches it there."""


def _containers(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = job["template"]["spec"]["template"]["spec"]["containers"] if job else []
    return found


def _step(job: Mapping[str, Any]) -> str:
    labels = (job["template"].get("metadata") or {}).get("labels") or {}
    return str(labels.get(ANCESTOR_LABEL, ""))


def _job(job: Mapping[str, Any]) -> RuntimeJob:
    containers = tuple(
        RuntimeContainer(c["name"], tuple(mount["name"] for mount in c.get("volumeMounts") or []))
        for c in _containers(job)
    )
    return RuntimeJob(job["name"], _step(job), containers)


def _unretained(template: Mapping[str, Any]) -> tuple[int, ...]:
    policies = enumerate(template.get("volumeClaimPolicies") or [])
    return tuple(index for index, policy in policies if not (policy.get("retentionPolicy") or {}).get("whenDeleted"))


def _claim_dies(template: Mapping[str, Any]) -> bool:
    policies = template.get("volumeClaimPolicies") or []
    return any((policy.get("retentionPolicy") or {}).get("whenDeleted") != "Retain" for policy in policies)


def stock_runtime(runtime: Any, kind: Any) -> RuntimeView | None:
    """Give a runtime as Trainer ships it; None for one that somebody else has made, or that is not known yet."""
    known = isinstance(runtime, str) and kind == "ClusterTrainingRuntime"
    return RuntimeView.stock(runtime) if known else None
