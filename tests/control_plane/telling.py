"""One story told to two control planes: the same TrainJob on each, whose processes an outsider ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import NAMESPACES, PODS, TRAINJOBS
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import Watch
from airflow_kubeflow_trainer.exceptions import ClusterUnreachableError, NotFoundError

Object = dict[str, Any]
NAME = "story"
MARK = "TOLD_BY"
SUCCEED, FAIL = signal.SIGUSR1, signal.SIGUSR2
DEADLINE_SECONDS = 15
"""Time enough for a TrainJob to run on both planes, on a machine that is busy too."""
LISTENS = "trap 'exit 0' USR1; trap 'exit 3' USR2; trap 'exit 143' TERM; while :; do sleep 0.1; done"
"""A process that trains until somebody says how it ends."""


class Teller:
    """The story on one control plane."""

    def __init__(self, client: Client) -> None:
        self.namespace = f"story-{uuid4().hex[:8]}"
        self.api = TrainJobApi(client, namespace=self.namespace)
        self.conditions: list[list[Object]] = []
        """All that its conditions have ever been, each once."""
        self._path = TRAINJOBS.path(namespace=self.namespace, name=NAME)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        await self.api.client.create(
            NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        )
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(NotFoundError):
                await self.delete()

    async def _follow(self) -> None:
        async for event in Watch(self.api.client, TRAINJOBS, namespace=self.namespace).events():
            if event.is_change:
                found = _conditions(event.object)
                if found not in self.conditions[-1:]:
                    self.conditions.append(found)

    async def create(self, trainer: Object, **spec: Any) -> None:
        trainer = {"numProcPerNode": 1, "env": [{"name": MARK, "value": self.namespace}], **trainer}
        spec.setdefault("runtimeRef", {"name": "torch-distributed"})
        await self.api.create(
            {
                "apiVersion": "trainer.kubeflow.org/v1alpha1",
                "kind": "TrainJob",
                "metadata": {"name": NAME, "namespace": self.namespace},
                "spec": {"trainer": trainer, **spec},
            }
        )

    async def change(self, **spec: Any) -> None:
        await self.api.client.patch(self._path, {"spec": spec})

    async def delete(self) -> None:
        await self.api.client.delete(self._path, params={"propagationPolicy": "Background"})

    async def delete_pod(self) -> None:
        """Take the first of the pods away."""
        pod = (await self.api.pods(NAME))[0]["metadata"]["name"]
        await self.api.client.delete(PODS.path(namespace=self.namespace, name=pod))

    async def signal(self, number: int, *, node: int | None = None) -> None:
        """Send a signal to the processes of all nodes or of one, as soon as they listen to it."""
        async with asyncio.timeout(30):
            while not (processes := list(listening(self.namespace, number, node))):
                await asyncio.sleep(0.1)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    async def seen(self) -> Object:
        """What an onlooker sees: the TrainJob's status, and how its pods stand."""
        try:
            trainjob = await self.api.get(NAME)
            pods = await self.api.pods(NAME)
        except NotFoundError:
            trainjob, pods = {}, await self.api.pods(NAME)
        status = trainjob.get("status") or {}
        return {
            "exists": bool(trainjob),
            "conditions": _conditions(trainjob),
            "jobs": {job["name"]: job for job in status.get("jobsStatus") or []},
            "pods": sorted(_standing(pod) for pod in pods),
        }


class Tale:
    """The story on the real control plane and on ours at once."""

    def __init__(self, real: Teller, ours: Teller) -> None:
        self.real, self.ours = real, ours

    def __getattr__(self, deed: str) -> Callable[..., Awaitable[None]]:
        async def do(*arguments: Any, **options: Any) -> None:
            for teller in (self.real, self.ours):
                await getattr(teller, deed)(*arguments, **options)

        return do

    async def comes_to(
        self, accept: Callable[[Object], bool], *, seconds: float = 60, apart_from: frozenset[str] = frozenset()
    ) -> None:
        """Wait until both have come so far, and see that they say the same.

        :param apart_from: of what an onlooker sees, what is left out.
        """
        real = ours = None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (real and ours and real == ours and accept(real)):
                    with suppress(ClusterUnreachableError):
                        both = await asyncio.gather(self.real.seen(), self.ours.seen())
                        real, ours = ({key: each[key] for key in each.keys() - apart_from} for each in both)
                    await asyncio.sleep(0.1)
        assert ours == real
        assert real is not None
        assert accept(real), real

    async def runs_out_of_time(self) -> None:
        """Wait until both have ended it for its deadline.

        What they say of the Jobs is left out. Where Trainer's cache lags, it makes the JobSet that it has just deleted
        once more, and deletes that too: then it says of the Jobs what a new JobSet says of them, which is nothing.
        """
        await self.comes_to(over("Failed", pods=False), apart_from=frozenset({"jobs"}))

    def ends_alike(self) -> None:
        assert self.ours.conditions == self.real.conditions


def running(*, nodes: int = 1, restarts: int = 0) -> Callable[[Object], bool]:
    """All nodes train, after so many restarts of each."""
    pods = [("node", index, "Running", restarts) for index in range(nodes)]
    return lambda seen: seen["jobs"].get("node", {}).get("ready") == 1 and seen["pods"] == pods


def over(kind: str, *, pods: bool = True) -> Callable[[Object], bool]:
    """A condition is true; without pods, they have gone as well."""
    return lambda seen: (
        any((each["type"], each["status"]) == (kind, "True") for each in seen["conditions"])
        and (pods or not seen["pods"])
    )


def _conditions(trainjob: Object) -> list[Object]:
    found = (trainjob.get("status") or {}).get("conditions") or []
    return [{key: each[key] for key in ("type", "status", "reason", "message")} for each in found]


def _standing(pod: Object) -> tuple[str, int, str, int]:
    metadata, status = pod["metadata"], pod.get("status", {})
    restarts = sum(container["restartCount"] for container in status.get("containerStatuses") or [])
    index = int(metadata["annotations"]["batch.kubernetes.io/job-completion-index"])
    return metadata["labels"]["jobset.sigs.k8s.io/replicatedjob-name"], index, status.get("phase", ""), restarts


def listening(mark: str, number: int, node: int | None = None) -> Iterator[int]:
    """Give the processes that bear a mark and have said what a signal does to them."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            status = (folder / "status").read_text()
        except OSError:
            continue
        index = [] if node is None else [f"JOB_COMPLETION_INDEX={node}".encode()]
        if {f"{MARK}={mark}".encode(), *index} <= set(environment) and _catches(status, number):
            yield int(folder.name)


def _catches(status: str, number: int) -> bool:
    if number == signal.SIGKILL:
        return True
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)
