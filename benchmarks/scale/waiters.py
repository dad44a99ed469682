"""The waiting process from outside: what it says, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


class Waiter:
    """One process of `waiter.py`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._changed = asyncio.Event()
        self.said: dict[str, float] = {}
        self.events: dict[str, float] = {}
        """When each trigger fired, in seconds since the epoch."""
        self.failed: dict[str, str] = {}
        """Those that failed, and with what."""

    async def listen(self) -> None:
        """Take in what it says, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "event" in said:
                self.events[said["event"]] = said["at"]
            elif "failed" in said:
                self.failed[said["failed"]] = said["error"]
            else:
                self.said |= said
            self._changed.set()

    async def until(self, what: str) -> float:
        """Wait until it has said something; return the value."""
        while what not in self.said:
            await self._change()
        return self.said[what]

    async def until_fired(self, names: set[str]) -> None:
        """Wait until all of these have fired, or failed."""
        while not names <= self.events.keys() | self.failed.keys():
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        waiting = asyncio.create_task(self._changed.wait())
        ending = asyncio.create_task(self._process.wait())
        done, pending = await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if ending in done and not waiting.done():
            sys.exit(f"The waiting process ended with {self._process.returncode}")

    def cpu_seconds(self) -> float:
        """CPU time so far, of all its threads."""
        return cpu_seconds(self._process.pid)

    def memory(self) -> int:
        """Bytes that are its own."""
        lines = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))

    def connections(self) -> int:
        """TCP connections that are open."""
        return len(_sockets(self._process.pid) & _established(self._process.pid))

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@asynccontextmanager
async def waiting(
    side: str, objects: list[tuple[str, str]], *, kubeconfig: Path, scratch: Path
) -> AsyncIterator[Waiter]:
    """Start a process that waits for all of these: name and uid of each."""
    connection = {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.scale.waiter"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=(scratch / f"{side}.err").open("ab"),
        env={**inherited, "AIRFLOW_HOME": str(scratch), "AIRFLOW_CONN_BENCH": json.dumps(connection)},
        start_new_session=True,
    )
    assert process.stdin is not None
    order = {"side": side, "objects": objects, "log": str(scratch / f"{side}.log")}
    process.stdin.write(json.dumps(order).encode() + b"\n")
    waiter = Waiter(process)
    listening = asyncio.create_task(waiter.listen())
    try:
        yield waiter
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _sockets(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def _established(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return {fields[9] for fields in map(str.split, lines) if fields[3] == "01"}
