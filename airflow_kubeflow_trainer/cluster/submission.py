"""Creating a TrainJob exactly once, and knowing one's own again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.checking import SUPPORTED
from airflow_kubeflow_trainer.cluster.ending import check_that_it_can_be_suspended
from airflow_kubeflow_trainer.cluster.patience import is_passing, patiently
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import (
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    TrainJobRejectedError,
)
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.queue import QUEUE_LABEL
from airflow_kubeflow_trainer.trainjob.runtime import RuntimeView

_UNKNOWN_TO_2_2 = re.compile(r'unknown field "spec\.runtimePatches.*\.terminationGracePeriodSeconds"')


async def submit(api: TrainJobApi, manifest: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Create a TrainJob of somebody's own making, unless it would hang.

    :raises ConfigError: it is suspended, or for a queue, and on its runtime that does not work.
    """
    if QUEUE_LABEL in (manifest["metadata"].get("labels") or {}):
        await check_that_it_can_be_suspended(api, manifest, field=f"metadata.labels[{QUEUE_LABEL}]")
    elif manifest["spec"].get("suspend"):
        await check_that_it_can_be_suspended(api, manifest, field="spec.suspend")
    return await api.create(manifest, dry_run=dry_run)


async def create_or_adopt(
    api: TrainJobApi, manifest: Mapping[str, Any], identity: TaskIdentity
) -> tuple[dict[str, Any], bool]:
    """Create a TrainJob, or take over the one that an earlier attempt of this same try has created.

    The answer to a creation may be lost, and a worker may die right after it; the name is the same each time, so the
    second attempt meets the first one's object.

    :return: the TrainJob as the cluster has it, and whether it was there before.
    :raises TrainJobRejectedError: the cluster refuses it, or a stranger's TrainJob has its name.
    """
    try:
        return await patiently(lambda: api.create(manifest)), False
    except ConflictError as error:
        return await _adopt(api, manifest["metadata"]["name"], identity, error), True
    except ApiError as error:
        if is_passing(error):
            raise
        raise TrainJobRejectedError(_refusal(api, manifest, error)) from error


async def _adopt(api: TrainJobApi, name: str, identity: TaskIdentity, error: ConflictError) -> dict[str, Any]:
    existing = await patiently(lambda: api.get(name))
    if identity.owns(existing):
        return existing
    raise TrainJobRejectedError(
        f"A TrainJob {api.namespace}/{name} exists already and is not this task's. Choose another `name`, or delete it"
    ) from error


async def read_runtime(
    api: TrainJobApi, name: str, kind: str, *, assumed: RuntimeView
) -> tuple[RuntimeView, str | None]:
    """Read the runtime that a TrainJob refers to.

    :param assumed: what to take it for where it may not be read.
    :return: the runtime, and a warning where it may not be read: then it is taken to be like the stock one.
    :raises TrainJobRejectedError: there is none of that name; the message lists those there are.
    """
    try:
        return RuntimeView.from_object(await patiently(lambda: api.get_runtime(name, kind=kind))), None
    except ForbiddenError as error:
        return assumed, f"The runtime {name} may not be read, so it is taken to be as Trainer ships it: {error.message}"
    except NotFoundError as error:
        if not error.details.get("name"):
            raise TrainJobRejectedError(f"The cluster has no {kind}s: is Kubeflow Trainer v2 installed?") from error
        raise TrainJobRejectedError(f"runtime: there is no {kind} {name!r}.{await _known_runtimes(api)}") from error


async def _known_runtimes(api: TrainJobApi) -> str:
    try:
        names = sorted(runtime["metadata"]["name"] for runtime in await api.list_runtimes())
    except ForbiddenError as error:
        return f" Which there are may not be read: {error.message}"
    except ApiError:
        return ""
    return f" There are: {', '.join(names) or 'none'}"


def _refusal(api: TrainJobApi, manifest: Mapping[str, Any], error: ApiError) -> str:
    if isinstance(error, NotFoundError):
        hint = " (is Kubeflow Trainer v2 installed, and does the namespace exist?)"
    elif 'unknown field "spec.runtimePatches"' in error.message:
        hint = f" (its Kubeflow Trainer is 2.1 or older, whose TrainJobs have no runtimePatches; {SUPPORTED})"
    elif _UNKNOWN_TO_2_2.search(error.message):
        hint = " (terminationGracePeriodSeconds in runtime_patches takes Kubeflow Trainer 2.3, and the cluster has 2.2)"
    else:
        hint = ""
    name = f"{api.namespace}/{manifest['metadata']['name']}"
    return f"The cluster refuses TrainJob {name}{hint}: {error.message or error}"
