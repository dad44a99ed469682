"""Asking an API server again that does not answer, or that says "later": 429, 5xx."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError

PATIENCE_SECONDS = 30.0
"""How long one request is asked again: a restart of the API server, not an outage."""
FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.2, 15.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class Backoff:
    """Growing, jittered delays between tries, for as long as there is no good answer.

    :param first_delay: seconds, give or take a half, until the second try.
    """

    def __init__(self, first_delay: float = FIRST_DELAY_SECONDS) -> None:
        self.since: float | None = None
        """When the first bad answer came, by the monotonic clock."""
        self._first_delay = self._delay = first_delay

    def reset(self) -> None:
        """Take note of a good answer."""
        self.since, self._delay = None, self._first_delay

    def pause(self) -> float:
        """Return the seconds until the next try."""
        delay = self._delay * random.uniform(0.5, 1.5)
        self._delay = min(self._delay * 2, LAST_DELAY_SECONDS)
        return delay

    def delay(self, error: ApiError | ClusterUnreachableError, *, give_up_seconds: float) -> float:
        """Return the seconds until the next try, or raise the error where none would help or it has lasted too long.

        A server that asks for a later one gets it, though not later than the last that there is patience for.
        """
        if not is_passing(error):
            raise error
        now = time.monotonic()
        self.since = self.since or now
        left = self.since + give_up_seconds - now
        if left < 0:
            raise error
        asked = error.details.get("retryAfterSeconds", 0) if isinstance(error, ApiError) else 0
        return max(min(float(asked), left), self.pause())


def is_passing(error: Exception) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, ApiError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, ClusterUnreachableError)


async def patiently(ask: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
    """Ask until there is a good answer.

    A request whose answer was lost is sent again, though it may have been carried out: only for requests that may be.

    :param seconds: how long at most. Default: ``PATIENCE_SECONDS``.
    :raises ApiError: what waiting does not heal, or has not healed.
    :raises ClusterUnreachableError: still no answer.
    """
    backoff = Backoff()
    while True:
        try:
            return await ask()
        except (ApiError, ClusterUnreachableError) as error:
            delay = backoff.delay(error, give_up_seconds=PATIENCE_SECONDS if seconds is None else seconds)
            log.info("Asking the cluster again in %.1f s: %s", delay, error)
        await asyncio.sleep(delay)
