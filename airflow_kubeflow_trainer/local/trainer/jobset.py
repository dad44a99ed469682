"""The JobSet that Trainer makes of a TrainJob and its runtime, with JobSet's own defaults."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.trainer import policies
from airflow_kubeflow_trainer.local.trainer.constants import (
    DATASET_INITIALIZER,
    MODEL_INITIALIZER,
    NODE,
    TRAINER_ANCESTOR,
)
from airflow_kubeflow_trainer.local.trainer.containers import (
    env_variable,
    upsert_env,
)
from airflow_kubeflow_trainer.local.trainer.template import (
    Template,
    ancestor,
    container,
    merge_template,
)


@dataclass(frozen=True)
class JobSet:
    """A JobSet; the local cluster derives it anew whenever it needs it, and never stores it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    spec: dict[str, Any]


def build_jobset(trainjob: dict[str, Any], runtime: dict[str, Any]) -> JobSet:
    """Make the JobSet. Pure: the same TrainJob and runtime give the same JobSet.

    :raises UnsupportedRuntimeError: the runtime's policy cannot run on the local cluster.
    """
    trainjob = copy.deepcopy(trainjob)
    template = merge_template(trainjob, runtime)
    for policy in policies.NOT_RUN_HERE:
        if template.has_policy(policy):
            raise UnsupportedRuntimeError(policy, runtime["metadata"]["name"])
    _count_pods(template, trainjob)
    trainer_job = template.trainer_job()
    policies.enforce(
        template,
        trainjob,
        1 if trainer_job is None else trainer_job["template"]["spec"]["parallelism"],
    )
    _initializers(template, trainjob)
    _trainer(template, trainjob)
    _default(template)
    return JobSet(template.labels, template.annotations, template.spec)


class UnsupportedRuntimeError(Exception):
    """The local cluster cannot run this policy."""

    def __init__(self, policy: str, runtime: str) -> None:
        super().__init__(
            f"the local cluster does not run the {policy} policy of the runtime {runtime!r}; it runs runtimes with"
            " torch, jax or xgboost, or without a policy"
        )


def _count_pods(template: Template, trainjob: dict[str, Any]) -> None:
    wanted = (trainjob["spec"].get("trainer") or {}).get("numNodes")
    for job in template.jobs:
        spec = job.setdefault("template", {}).setdefault("spec", {})
        count = spec.get("parallelism", 1)
        if ancestor(job) == TRAINER_ANCESTOR and template.policy is not None:
            count = template.policy.get("numNodes", 1)
        spec["parallelism"] = spec["completions"] = max(count, 1)
    trainer_job = template.trainer_job()
    if trainer_job is not None and wanted is not None:
        trainer_job["template"]["spec"]["parallelism"] = trainer_job["template"]["spec"]["completions"] = wanted


def _initializers(template: Template, trainjob: dict[str, Any]) -> None:
    initializer = trainjob["spec"].get("initializer") or {}
    for step, field in ((DATASET_INITIALIZER, "dataset"), (MODEL_INITIALIZER, "model")):
        config = initializer.get(field)
        for job in template.jobs:
            found = container(job, step) if ancestor(job) == step else None
            if found is None or config is None:
                continue
            if config.get("storageUri") is not None:
                upsert_env(found, [{"name": "STORAGE_URI", "value": config["storageUri"]}])
            upsert_env(found, [env_variable(variable) for variable in config.get("env", [])])
            if config.get("secretRef") is not None:
                source = {"secretRef": {"name": config["secretRef"].get("name", "")}}
                found.setdefault("envFrom", []).append(source)


def _trainer(template: Template, trainjob: dict[str, Any]) -> None:
    trainer = trainjob["spec"].get("trainer") or {}
    for job in template.jobs:
        node = container(job, NODE) if ancestor(job) == TRAINER_ANCESTOR else None
        if node is None:
            continue
        for field in ("image", "command", "args"):
            if trainer.get(field) is not None:
                node[field] = trainer[field]
        upsert_env(node, [env_variable(variable) for variable in trainer.get("env", [])])


def _default(template: Template) -> None:
    """Fill in what JobSet's webhook does."""
    for job in template.jobs:
        if ancestor(job) in (TRAINER_ANCESTOR, DATASET_INITIALIZER, MODEL_INITIALIZER):
            job["replicas"] = 1
        job.setdefault("replicas", 1)
        job.setdefault("groupName", "default")
        spec = job["template"]["spec"]
        spec.setdefault("completionMode", "Indexed")
        pod = spec.setdefault("template", {}).setdefault("spec", {})
        pod.setdefault("restartPolicy", "OnFailure")
    network = template.spec.setdefault("network", {})
    network.setdefault("enableDNSHostnames", True)
