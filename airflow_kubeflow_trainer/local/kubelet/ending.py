"""When a pod has to end, and how long it may take."""

from __future__ import annotations

import asyncio


class Ending:
    """A request to end: first asked for politely, then overdue. A later request can only shorten the time."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        """Set once the pod is to end: SIGTERM, and nothing is started any more."""
        self.overdue = asyncio.Event()
        """Set once its grace period is over: SIGKILL."""
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, *, grace_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + grace_seconds
        self.asked.set()
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self.overdue.set)

    async def pause(self, seconds: float) -> bool:
        """Wait, but no longer than until the pod is to end; return whether it is."""
        try:
            async with asyncio.timeout(seconds):
                await self.asked.wait()
        except TimeoutError:
            return False
        return True
