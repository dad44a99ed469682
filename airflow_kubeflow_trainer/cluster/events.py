"""What Kubernetes recorded about a TrainJob and all that it is made of.

A child that cannot be created leaves no trace but an event on its parent: of the JobSet on the TrainJob, of a Job on
the JobSet, of a pod on its Job.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError, ForbiddenError, NotFoundError
from airflow_kubeflow_trainer.trainjob.pods import seconds
from airflow_kubeflow_trainer.trainjob.starting import last_seen, trouble_of

log = logging.getLogger(__name__)

MAX_PODS = 16
"""Of so many pods events are read; of a job with a thousand that do not start, all have the same."""
FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 20.0, 600.0
"""What starts as it should is not asked after; what does not, ever less often."""


async def events_about(
    api: TrainJobApi,
    trainjob: Mapping[str, Any],
    pod_uids: Iterable[str] = (),
    *,
    note: Callable[[str], None] = log.info,
) -> list[dict[str, Any]]:
    """List the events about a TrainJob, its JobSet, its Jobs and some of its pods, oldest first.

    :param note: is told what may not be read; the JobSet's and the Jobs' events are found by name then.
    """
    metadata = trainjob["metadata"]
    selectors = [f"involvedObject.uid={uid}" for uid in (metadata["uid"], *list(pod_uids)[:MAX_PODS])]
    selectors += await _jobset(api, metadata["name"], metadata["uid"], note)
    selectors += await _jobs(api, trainjob, note)
    found = [event for selector in selectors for event in await api.find_events(selector)]
    # Where only a name was known, the events of an earlier object of that name are not meant.
    created = seconds(metadata["creationTimestamp"]) or 0.0
    return sorted((event for event in found if last_seen(event) >= created), key=last_seen)


async def warnings_about(
    api: TrainJobApi,
    trainjob: Mapping[str, Any],
    pod_uids: Iterable[str] = (),
    *,
    now: float,
    note: Callable[[str], None],
) -> list[str]:
    """Say what events complain of; nothing where the cluster does not answer.

    :param note: is told what may not be read.
    """
    try:
        found = await events_about(api, trainjob, pod_uids, note=note)
    except ForbiddenError as error:
        note(f"Its events may not be read: {error.message}")
        return []
    except (ApiError, ClusterUnreachableError):
        return []
    troubles = (trouble_of(event, now=now) for event in found)
    return [trouble.words for trouble in troubles if trouble is not None]


async def _jobset(api: TrainJobApi, name: str, owner: str, note: Callable[[str], None]) -> list[str]:
    try:
        jobset = await api.get_jobset(name)
    except (ForbiddenError, NotFoundError) as error:
        _tell(error, note)
        return [f"involvedObject.kind=JobSet,involvedObject.name={name}"]
    return [f"involvedObject.uid={jobset['metadata']['uid']}"] if _belongs(jobset, owner) else []


async def _jobs(api: TrainJobApi, trainjob: Mapping[str, Any], note: Callable[[str], None]) -> list[str]:
    name = trainjob["metadata"]["name"]
    try:
        return [f"involvedObject.uid={job['metadata']['uid']}" for job in await api.jobs(name)]
    except (ForbiddenError, NotFoundError) as error:
        _tell(error, note)
    replicated = [job["name"] for job in (trainjob.get("status") or {}).get("jobsStatus") or []]
    return [f"involvedObject.kind=Job,involvedObject.name={name}-{job}-0" for job in replicated]


def _tell(error: ApiError, note: Callable[[str], None]) -> None:
    if isinstance(error, ForbiddenError):
        note(f"Its parts are known by their names only: {error.message}")


def _belongs(item: Mapping[str, Any], owner: str) -> bool:
    return any(reference.get("uid") == owner for reference in item["metadata"].get("ownerReferences") or [])


class Lookout:
    """Reads the events of something that does not start, now and then, as long as it does not.

    :param read: reads them.
    :param tell: is given what was read.
    """

    def __init__(
        self, read: Callable[[], Awaitable[list[dict[str, Any]]]], tell: Callable[[list[dict[str, Any]]], None]
    ) -> None:
        self._read = read
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    def keep(self, wanted: bool) -> None:
        """Begin, go on or stop."""
        if wanted and self._task is None:
            self._task = asyncio.create_task(self._run())
        elif not wanted and self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Stop."""
        task = self._task
        self.keep(False)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        delay = FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(delay)
            with contextlib.suppress(ApiError, ClusterUnreachableError):
                self._tell(await self._read())
            delay = min(delay * 2, LAST_LOOK_SECONDS)
