"""Who may see what, for the tests: the user `guest` may not read the DAG `secret`."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class DiscreetAuthManager(SimpleAuthManager):
    def is_authorized_dag(self, *, user: Any, details: Any = None, **options: Any) -> bool:
        if user.username == "guest" and details is not None and details.id == "secret":
            return False
        return super().is_authorized_dag(user=user, details=details, **options)
