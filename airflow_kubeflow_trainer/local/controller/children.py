"""Creates, releases and deletes the pods and claims of TrainJobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import PERSISTENT_VOLUME_CLAIMS, PODS
from airflow_kubeflow_trainer.exceptions import ConflictError, NotFoundError
from airflow_kubeflow_trainer.local.controller import identity, podstate
from airflow_kubeflow_trainer.local.controller.pods import TRACKING_FINALIZER
from airflow_kubeflow_trainer.local.controller.podstate import Pod
from airflow_kubeflow_trainer.local.trainer.constants import JOBSET_NAME_LABEL, JOBSET_UID_LABEL


class ClaimInUseError(Exception):
    """A claim of the same name still belongs to an earlier TrainJob, and is about to go."""


async def list_pods(client: Client, trainjob: dict[str, Any]) -> list[Pod]:
    """Return the pods of this TrainJob, not those of an earlier one of its name."""
    selector = f"{JOBSET_NAME_LABEL}={trainjob['metadata']['name']},{JOBSET_UID_LABEL}={identity.jobset_uid(trainjob)}"
    answer = await client.get(
        PODS.path(namespace=trainjob["metadata"]["namespace"]), params={"labelSelector": selector}
    )
    items: list[Pod] = answer["items"]
    return items


async def release(client: Client, pods: Iterable[Pod]) -> None:
    """Let pods go that have been counted."""
    for pod in pods:
        finalizers = [name for name in pod["metadata"].get("finalizers", []) if name != TRACKING_FINALIZER]
        try:
            await client.patch(_path(pod), {"metadata": {"finalizers": finalizers}})
        except NotFoundError:
            continue


async def delete(client: Client, pods: Iterable[Pod]) -> None:
    """Delete pods with their own grace period; those that are gone are no error."""
    for pod in pods:
        try:
            await client.delete(_path(pod), body={"preconditions": {"uid": podstate.uid(pod)}})
        except (NotFoundError, ConflictError):
            continue


async def create_pod(client: Client, pod: Pod) -> None:
    """Create a pod; one that exists is the same pod, made by an earlier look."""
    try:
        await client.create(PODS.path(namespace=pod["metadata"]["namespace"]), pod)
    except ConflictError:
        return


async def existing_claims(client: Client, claims: Iterable[dict[str, Any]]) -> set[str]:
    """Return the names of those claims that are there already, and not as this TrainJob's own.

    :raises ClaimInUseError: one belongs to an earlier TrainJob of the same name.
    """
    existing = set()
    for claim in claims:
        found = await _find_claim(client, claim)
        if found is not None and not found["metadata"].get("ownerReferences"):
            existing.add(claim["metadata"]["name"])
    return existing


async def ensure_claims(client: Client, claims: Iterable[dict[str, Any]]) -> None:
    """Create the claims that don't exist.

    :raises ClaimInUseError: one belongs to an earlier TrainJob of the same name.
    """
    for claim in claims:
        if await _find_claim(client, claim) is None:
            await client.create(PERSISTENT_VOLUME_CLAIMS.path(namespace=claim["metadata"]["namespace"]), claim)


async def _find_claim(client: Client, claim: dict[str, Any]) -> dict[str, Any] | None:
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    try:
        found = await client.get(PERSISTENT_VOLUME_CLAIMS.path(namespace=namespace, name=name))
    except NotFoundError:
        return None
    owners = [owner["uid"] for owner in found["metadata"].get("ownerReferences", [])]
    ours = [owner["uid"] for owner in claim["metadata"].get("ownerReferences", [])]
    if owners and owners != ours:
        raise ClaimInUseError(name)
    return found


async def delete_claims(client: Client, claims: Iterable[dict[str, Any]]) -> None:
    """Delete the claims that have an owner; the others are kept."""
    for claim in claims:
        if claim["metadata"].get("ownerReferences"):
            path = PERSISTENT_VOLUME_CLAIMS.path(
                namespace=claim["metadata"]["namespace"], name=claim["metadata"]["name"]
            )
            try:
                await client.delete(path)
            except NotFoundError:
                continue


def _path(pod: Pod) -> str:
    return PODS.path(namespace=pod["metadata"]["namespace"], name=pod["metadata"]["name"])
