"""How long Airflow lets a task be deferred."""

from __future__ import annotations

import time
from datetime import timedelta

MARGIN_SECONDS = 300.0
"""How much later than our own deadline Airflow's ends a deferral: on that one neither trigger nor task has a say."""


def deferral_limit(deadline: float | None) -> timedelta | None:
    """Give Airflow's own bound on a deferral, which is to come after ours."""
    return None if deadline is None else timedelta(seconds=max(0.0, deadline - time.time()) + MARGIN_SECONDS)
