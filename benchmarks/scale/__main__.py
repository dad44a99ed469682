"""What waiting for many at once costs: our triggers beside the cncf provider's KubernetesJobTrigger.

Each waits in a process of its own, one after the other, for as many objects of one real kube-apiserver (`make
control-plane`): ours for TrainJobs, whose pods are there, theirs for Jobs. No controller runs: this program writes the
states.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

import aiohttp

from airflow_kubeflow_trainer.cluster.client import Client
from benchmarks.scale.objects import Jobs, Objects, TrainJobs, create_all, create_namespaces
from benchmarks.scale.waiters import Waiter, cpu_seconds, waiting
from tests.control_plane.plane import ControlPlane
from tests.control_plane.programs import BUILT

SIDES: dict[str, Objects] = {"ours": TrainJobs(), "theirs": Jobs()}
SETTLE_SECONDS = 17.0
"""Longer than the peer's poll interval, and than idle connections are kept."""
ENDING = 100
"""How many end while it is measured how soon that is known."""
ENDINGS_PER_SECOND = 10.0
RESOURCES = ("trainjobs", "pods", "jobs", "workloads")


def named(name: str, unit: str) -> float:
    """A figure, as the table calls it."""
    return field(metadata={"row": f"{name}, {unit}" if unit else name})


@dataclass(frozen=True)
class Figures:
    """What one process cost."""

    requests: float = named("API requests", "per minute")
    opened: float = named("connections opened", "per minute")
    connections: float = named("connections open", "")
    cpu: float = named("CPU", "s per minute")
    server_cpu: float = named("CPU of the API server", "s per minute")
    memory: float = named("memory per trigger", "KiB")
    median: float = named("from change of status to event, p50", "s")
    slowest: float = named("from change of status to event, p99", "s")
    takeover: float = named("from a restart to the last event of what ended before", "s")
    held_up: float = named("longest hold-up of the event loop", "s")
    failed: float = named("triggers that failed", "")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        for size in options.sizes:
            folder = Path(scratch) / str(size)
            with ControlPlane(folder, only_crds=BUILT / "manifests" / "crds") as plane:
                found = asyncio.run(Bench(plane, folder, size, window=options.window).rounds(options.rounds))
            print(table(size, found), flush=True)


class Bench:
    """So many objects on each side."""

    def __init__(self, plane: ControlPlane, scratch: Path, size: int, *, window: float) -> None:
        self._plane = plane
        self._scratch = scratch
        self._size = size
        self._window = window
        self._running: dict[str, dict[str, str]] = {side: {} for side in SIDES}
        """Name and uid of what has not ended."""
        self._made = 0

    async def rounds(self, count: int) -> dict[str, list[Figures]]:
        """Measure each side so often, in turn."""
        found: dict[str, list[Figures]] = {side: [] for side in SIDES}
        async with self._plane.client() as client:
            await create_namespaces(client)
            for number in range(count):
                for side in sorted(SIDES, reverse=bool(number % 2)):
                    found[side].append(await self._measure(client, side))
        return found

    async def _measure(self, client: Client, side: str) -> Figures:
        await self._fill(client, side)
        objects = list(self._running[side].items())
        over = await self._end(client, side, self._size // 10)
        objects.sort(key=lambda each: each[0] not in over)
        async with waiting(side, objects, kubeconfig=self._plane.kubeconfig, scratch=self._scratch) as waiter:
            began = await waiter.until("began")
            memory = waiter.memory()
            await waiter.until_fired(set(over))
            takeover = max(waiter.events[name] for name in over if name in waiter.events) - began
            await asyncio.sleep(SETTLE_SECONDS)
            rates, open_connections = await self._rates(waiter)
            memory = waiter.memory() - memory
            ended = await self._end(client, side, min(ENDING, self._size // 2), per_second=ENDINGS_PER_SECOND)
            await waiter.until_fired(set(ended))
            delays = [waiter.events[name] - moment for name, moment in ended.items() if name in waiter.events]
            held_up = waiter.said["held_up"]
            await waiter.stop()
        requests, opened, cpu, server_cpu = rates
        return Figures(
            requests=requests,
            opened=opened,
            connections=open_connections,
            cpu=cpu,
            server_cpu=server_cpu,
            memory=memory / 1024 / (self._size - len(over)),
            median=statistics.median(delays),
            slowest=statistics.quantiles(delays, n=100)[98],
            takeover=takeover,
            held_up=held_up,
            failed=len(waiter.failed),
        )

    async def _rates(self, waiter: Waiter) -> tuple[list[float], float]:
        """Count for a while in which nothing changes: what happens per minute, and the connections that are open."""
        before, began, connections = await self._counts(waiter), time.monotonic(), []
        while time.monotonic() - began < self._window:
            await asyncio.sleep(1)
            connections.append(waiter.connections())
        minutes = (time.monotonic() - began) / 60
        after = await self._counts(waiter)
        return [(now - then) / minutes for now, then in zip(after, before, strict=True)], statistics.mean(connections)

    async def _fill(self, client: Client, side: str) -> None:
        """Make up for those that have ended."""
        running = self._running[side]
        names = [f"w-{self._made + number}" for number in range(self._size - len(running))]
        self._made += len(names)
        running |= await create_all(client, SIDES[side], names)

    async def _end(self, client: Client, side: str, count: int, *, per_second: float | None = None) -> dict[str, float]:
        """Let some end, one after the other; return when."""
        ended = {}
        for name in list(self._running[side])[:count]:
            ended[name] = await SIDES[side].end(client, name)
            del self._running[side][name]
            await asyncio.sleep(1 / per_second if per_second else 0)
        return ended

    async def _counts(self, waiter: Waiter) -> tuple[float, float, float, float]:
        """Requests to the API server, connections that were opened, CPU seconds, and those of the API server."""
        server = cpu_seconds(self._plane.pid("kube-apiserver"))
        return await self._requests(), waiter.said["opened"], waiter.cpu_seconds(), server

    async def _requests(self) -> float:
        credentials = self._plane.credentials()
        async with (
            aiohttp.ClientSession(headers=await credentials.headers()) as session,
            session.get(f"{credentials.server}/metrics", ssl=credentials.ssl_context) as answer,
        ):
            text = await answer.text()
        lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
        wanted = [line for line in lines if any(f'resource="{resource}"' in line for resource in RESOURCES)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)


def table(size: int, found: dict[str, list[Figures]]) -> str:
    """Markdown: the medians of all rounds, and how many times ours the peer's are."""
    rounds = len(found["ours"])
    lines = [
        f"### {size:,} deferred jobs ({rounds} round{'s' * (rounds > 1)})\n",
        "| | ours | KubernetesJobTrigger | ratio |",
        "|---|---|---|---|",
    ]
    for each in fields(Figures):
        ours, theirs = (statistics.median(getattr(one, each.name) for one in found[side]) for side in SIDES)
        ratio = f"{theirs / ours:.1f}" if ours else "-"
        lines.append(f"| {each.metadata['row']} | {_figure(ours)} | {_figure(theirs)} | {ratio} |")
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 5000], help="how many are waited for")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--window", type=float, default=30, help="seconds in which nothing changes and all is counted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
