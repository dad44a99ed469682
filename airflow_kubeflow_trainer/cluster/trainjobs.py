"""Every call that we make about TrainJobs, each written once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    EVENTS,
    JOBS,
    JOBSETS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    TRAINING_RUNTIMES,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.trainjob.pods import JOBSET_NAME_LABEL
from airflow_kubeflow_trainer.trainjob.starting import last_seen

FIELD_MANAGER = "airflow-kubeflow-trainer"

RUNTIME_KINDS: Mapping[str, Resource] = {
    resource.kind: resource for resource in (CLUSTER_TRAINING_RUNTIMES, TRAINING_RUNTIMES)
}


class TrainJobApi:
    """TrainJobs, their runtimes, pods, logs and events, in one namespace of one cluster."""

    def __init__(self, client: Client, *, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create a TrainJob. A field that the cluster does not know is an error, not dropped in silence."""
        params: dict[str, str] = {"fieldValidation": "Strict", "fieldManager": FIELD_MANAGER}
        if dry_run:
            params["dryRun"] = "All"
        return await self.client.create(TRAINJOBS.path(namespace=self.namespace), manifest, params=params)

    async def get(self, name: str) -> dict[str, Any]:
        return await self.client.get(TRAINJOBS.path(namespace=self.namespace, name=name))

    async def find(self, *, label_selector: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """List TrainJobs; that of one name takes the permission to list, and not the one to get."""
        field_selector = f"metadata.name={name}" if name is not None else None
        return await self._list(TRAINJOBS, label_selector=label_selector, field_selector=field_selector)

    async def delete(self, name: str, *, uid: str | None = None) -> None:
        """Delete a TrainJob and, in the background, all that belongs to it.

        :param uid: delete only this very object; one of the same name with another uid gives a ConflictError.
        :raises NotFoundError: it is gone already.
        """
        await self._delete(TRAINJOBS, name, uid)

    async def set_suspend(self, name: str, suspend: bool, *, uid: str | None = None) -> dict[str, Any]:
        """Suspend a TrainJob, which stops its pods, or resume it."""
        patch: dict[str, Any] = {"spec": {"suspend": suspend}}
        if uid is not None:
            # The API server refuses a patch that would change the uid: a precondition.
            patch["metadata"] = {"uid": uid}
        return await self.client.patch(TRAINJOBS.path(namespace=self.namespace, name=name), patch)

    async def get_jobset(self, name: str) -> dict[str, Any]:
        """Read the JobSet that Trainer has made of the TrainJob of that name."""
        return await self.client.get(JOBSETS.path(namespace=self.namespace, name=name))

    async def jobs(self, name: str) -> list[dict[str, Any]]:
        """List the Jobs that JobSet has made of the TrainJob of that name."""
        return await self._list(JOBS, label_selector=f"{JOBSET_NAME_LABEL}={name}")

    async def claims(self, *, label_selector: str | None = None) -> list[dict[str, Any]]:
        return await self._list(PERSISTENT_VOLUME_CLAIMS, label_selector=label_selector)

    async def annotate_claim(self, name: str, annotations: Mapping[str, str], *, uid: str) -> None:
        """Add annotations to a claim.

        :raises NotFoundError: it is gone already.
        :raises ConflictError: another object has its name now.
        """
        path = PERSISTENT_VOLUME_CLAIMS.path(namespace=self.namespace, name=name)
        await self.client.patch(path, {"metadata": {"uid": uid, "annotations": dict(annotations)}})

    async def delete_claim(self, name: str, *, uid: str) -> None:
        """Delete a claim with what it holds.

        :raises NotFoundError: it is gone already.
        :raises ConflictError: another object has its name now.
        """
        await self._delete(PERSISTENT_VOLUME_CLAIMS, name, uid)

    async def pods(self, name: str) -> list[dict[str, Any]]:
        return await self._list(PODS, label_selector=f"{JOBSET_NAME_LABEL}={name}")

    async def events(self, uid: str) -> list[dict[str, Any]]:
        """List the events about one object, oldest first."""
        return sorted(await self.find_events(f"involvedObject.uid={uid}"), key=last_seen)

    async def find_events(self, field_selector: str) -> list[dict[str, Any]]:
        """List the events that a field selector means, in no order."""
        return await self._list(EVENTS, field_selector=field_selector)

    def stream_log(
        self,
        pod: str,
        *,
        container: str | None = None,
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        since_time: str | None = None,
        tail_lines: int | None = None,
        answer_within: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a container's log and give its chunks as they come; with ``follow`` until the container ends.

        :param answer_within: seconds until the answer has to begin, which with ``follow`` is the first line. Default:
            any.
        """
        wanted = {
            "container": container,
            "follow": follow or None,
            "previous": previous or None,
            "timestamps": timestamps or None,
            "sinceTime": since_time,
            "tailLines": tail_lines,
        }
        params = {key: value for key, value in wanted.items() if value is not None}
        path = PODS.path(namespace=self.namespace, name=pod, subresource="log")
        return self.client.stream(path, params=params, answer_within=answer_within)

    async def list_runtimes(self) -> list[dict[str, Any]]:
        """List the runtimes that a TrainJob here can use: the cluster's, then the namespace's own."""
        shared = await self._list(CLUSTER_TRAINING_RUNTIMES)
        return shared + await self._list(TRAINING_RUNTIMES)

    async def get_runtime(self, name: str, *, kind: str = CLUSTER_TRAINING_RUNTIMES.kind) -> dict[str, Any]:
        """Read one runtime; ``kind`` is ClusterTrainingRuntime or TrainingRuntime."""
        resource = RUNTIME_KINDS.get(kind)
        if resource is None:
            raise ConfigError(f"runtime kind: {kind!r} is none; it must be one of {', '.join(RUNTIME_KINDS)}")
        return await self.client.get(resource.path(namespace=self.namespace, name=name))

    async def _delete(self, resource: Resource, name: str, uid: str | None) -> None:
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        await self.client.delete(resource.path(namespace=self.namespace, name=name), body=options)

    async def _list(self, resource: Resource, **selectors: str | None) -> list[dict[str, Any]]:
        names = {"label_selector": "labelSelector", "field_selector": "fieldSelector"}
        params: dict[str, str | int] = {names[key]: value for key, value in selectors.items() if value}
        params["limit"] = 500
        items: list[dict[str, Any]] = []
        while True:
            page = await self.client.get(resource.path(namespace=self.namespace), params=params)
            # Items of a list do not carry these two themselves.
            items += [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page["items"]]
            if not page["metadata"].get("continue"):
                return items
            params["continue"] = page["metadata"]["continue"]
