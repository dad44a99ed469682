"""Trainer's machine-learning policies: what each adds to the trainer's container."""

from __future__ import annotations

from typing import Any

from airflow_kubeflow_trainer.local.trainer import quantities, torchtune
from airflow_kubeflow_trainer.local.trainer.constants import (
    COMPLETION_INDEX,
    NODE,
    TRAINER_PORT,
    TUNE_RUN,
)
from airflow_kubeflow_trainer.local.trainer.containers import (
    Container,
    env_variable,
    field_variable,
    upsert_env,
    upsert_port,
)
from airflow_kubeflow_trainer.local.trainer.template import Template, container

RANK_PATH = f"metadata.annotations['{COMPLETION_INDEX}']"
NOT_RUN_HERE = ("mpi", "flux")
"""Policies that need more of a cluster than the local one has: sshd, a Flux broker."""


def enforce(template: Template, trainjob: dict[str, Any], nodes: int) -> None:
    """Add a policy's environment, ports and command to the trainer's container, in place.

    :param nodes: how many pods the trainer has.
    """
    trainer = trainjob["spec"].get("trainer")
    node = template.trainer_container()
    if trainer is None or node is None:
        # Trainer touches the container only where the TrainJob has a trainer of its own.
        if template.has_policy("torch"):
            _inject_torch_env(template, trainjob, nodes)
        return
    if template.has_policy("torch"):
        _torch(template, trainjob, node, nodes)
    elif template.has_policy("jax"):
        _jax(trainjob, node, nodes)
    elif template.has_policy("xgboost"):
        _xgboost(template, trainjob, node, nodes)


def resources_per_node(template: Template, trainjob: dict[str, Any]) -> dict[str, Any]:
    """Return the resources that Trainer counts devices by: the TrainJob's alone where it names any."""
    wanted = (trainjob["spec"].get("trainer") or {}).get("resourcesPerNode")
    return template.trainer_resources() if wanted is None else wanted


def _torch(template: Template, trainjob: dict[str, Any], node: Container, nodes: int) -> None:
    trainer = trainjob["spec"]["trainer"]
    upsert_env(node, [env_variable(variable) for variable in trainer.get("env", [])])
    upsert_env(node, _rank_env(template, trainjob, nodes))
    if trainer.get("command") == TUNE_RUN:
        gpus = quantities.gpus(resources_per_node(template, trainjob))
        processes = processes_per_node(template, trainjob)
        words = torchtune.command(
            template=template,
            trainjob=trainjob,
            nodes=nodes,
            processes=processes,
            gpus=gpus,
        )
        trainer["command"] = [*TUNE_RUN, *words]
    else:
        upsert_env(node, _master_env(trainjob))
    upsert_port(node, {"containerPort": TRAINER_PORT})
    _inject_torch_env(template, trainjob, nodes)


def processes_per_node(template: Template, trainjob: dict[str, Any]) -> int | str:
    """Return the number of processes: the TrainJob's, else the CPUs where there is no GPU, else ``auto``."""
    wanted: int | None = (trainjob["spec"].get("trainer") or {}).get("numProcPerNode")
    if wanted is not None:
        return wanted
    resources = resources_per_node(template, trainjob)
    return "auto" if quantities.gpus(resources) else max(1, quantities.cpus(resources))


def _inject_torch_env(template: Template, trainjob: dict[str, Any], nodes: int) -> None:
    """Give the containers that the runtime's ``envInjection`` names the same variables."""
    injection = ((template.policy or {})["torch"] or {}).get("envInjection") or {}
    for target in injection.get("targets", []):
        job = next((job for job in template.jobs if job["name"] == target["jobName"]), None)
        for name in target.get("containerNames", []):
            found = None if job is None else container(job, name)
            if found is not None:
                upsert_env(found, _rank_env(template, trainjob, nodes) + _master_env(trainjob))


def _rank_env(template: Template, trainjob: dict[str, Any], nodes: int) -> list[dict[str, Any]]:
    return [
        {"name": "PET_NNODES", "value": str(nodes)},
        {
            "name": "PET_NPROC_PER_NODE",
            "value": str(processes_per_node(template, trainjob)),
        },
        field_variable("PET_NODE_RANK", RANK_PATH),
    ]


def _master_env(trainjob: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": "PET_MASTER_ADDR", "value": first_host(trainjob)},
        {"name": "PET_MASTER_PORT", "value": str(TRAINER_PORT)},
    ]


def _jax(trainjob: dict[str, Any], node: Container, nodes: int) -> None:
    variables = [
        {"name": "JAX_NUM_PROCESSES", "value": str(nodes)},
        field_variable("JAX_PROCESS_ID", RANK_PATH),
        {
            "name": "JAX_COORDINATOR_ADDRESS",
            "value": f"{first_host(trainjob)}:{TRAINER_PORT}",
        },
    ]
    upsert_env(node, variables)
    upsert_port(node, {"containerPort": TRAINER_PORT})


def _xgboost(template: Template, trainjob: dict[str, Any], node: Container, nodes: int) -> None:
    workers = nodes * (quantities.gpus(resources_per_node(template, trainjob)) or 1)
    variables = [
        {"name": "DMLC_TRACKER_URI", "value": first_host(trainjob)},
        {"name": "DMLC_TRACKER_PORT", "value": str(TRAINER_PORT)},
        field_variable("DMLC_TASK_ID", RANK_PATH),
        {"name": "DMLC_NUM_WORKER", "value": str(workers)},
    ]
    upsert_env(node, variables)
    upsert_port(node, {"containerPort": TRAINER_PORT})


def first_host(trainjob: dict[str, Any]) -> str:
    """Return the name under which the headless service knows the trainer's first pod."""
    name = trainjob["metadata"]["name"]
    return f"{name}-{NODE}-0-0.{name}"
