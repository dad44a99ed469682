"""The ConfigMap ``<trainjob>-runtime-snapshot``: the runtime as the TrainJob found it, and the record of its Jobs."""

from __future__ import annotations

import json
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, CONFIG_MAPS, TRAINING_RUNTIMES
from airflow_kubeflow_trainer.exceptions import NotFoundError
from airflow_kubeflow_trainer.local.controller.pods import owner_reference
from airflow_kubeflow_trainer.local.controller.record import ANNOTATION, Record
from airflow_kubeflow_trainer.local.controller.validation import CreationError

_KEY = "runtime"


async def load(client: Client, trainjob: dict[str, Any]) -> tuple[dict[str, Any], Record]:
    """Return the runtime that the TrainJob began with, and what is known of its Jobs; both are new for a new TrainJob.

    :raises CreationError: the runtime is gone, or the snapshot belongs to another TrainJob.
    """
    metadata = trainjob["metadata"]
    path = CONFIG_MAPS.path(namespace=metadata["namespace"], name=_name(trainjob))
    try:
        found = await client.get(path)
    except NotFoundError:
        runtime = await _runtime(client, trainjob)
        await client.create(CONFIG_MAPS.path(namespace=metadata["namespace"]), _body(trainjob, runtime))
        return runtime, Record()
    owners = found["metadata"].get("ownerReferences", [])
    if not any(owner["uid"] == metadata["uid"] for owner in owners):
        raise CreationError(
            "getting runtime snapshot: invalid runtime snapshot: a snapshot configmap exists but is owned by another"
            " object"
        )
    text = (found["metadata"].get("annotations") or {}).get(ANNOTATION)
    return json.loads(found["data"][_KEY]), Record.load(text) if text else Record()


async def save(client: Client, trainjob: dict[str, Any], record: Record) -> None:
    """Write down what is known of the Jobs; to be done before anything is done about it."""
    path = CONFIG_MAPS.path(namespace=trainjob["metadata"]["namespace"], name=_name(trainjob))
    await client.patch(path, {"metadata": {"annotations": {ANNOTATION: record.dump()}}})


async def _runtime(client: Client, trainjob: dict[str, Any]) -> dict[str, Any]:
    reference = trainjob["spec"]["runtimeRef"]
    cluster_wide = reference["kind"] == CLUSTER_TRAINING_RUNTIMES.kind
    resource = CLUSTER_TRAINING_RUNTIMES if cluster_wide else TRAINING_RUNTIMES
    try:
        return await client.get(resource.path(namespace=trainjob["metadata"]["namespace"], name=reference["name"]))
    except NotFoundError as error:
        what = (
            "not found ClusterTrainingRuntime specified in TrainJob"
            if cluster_wide
            else "TrainingRuntime specified in TrainJob is not found"
        )
        raise CreationError(f"{what}: {error.message}") from error


def _name(trainjob: dict[str, Any]) -> str:
    return f"{trainjob['metadata']['name']}-runtime-snapshot"


def _body(trainjob: dict[str, Any], runtime: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _name(trainjob),
            "namespace": trainjob["metadata"]["namespace"],
            "ownerReferences": [owner_reference(trainjob)],
        },
        # JSON, which is YAML too: what Trainer writes here can be read the same way.
        "data": {_KEY: json.dumps(runtime, indent=1)},
    }
