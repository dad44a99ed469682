"""What Airflow loads by the entry point ``airflow.plugins``: the Training tab.

Every process of Airflow imports this, so it imports nothing more than the plugin's base; the app is made when the API
server gets the first request for it. The plugin is not in the provider's metadata too: Airflow would load it from there
only where ``[core] lazy_discover_providers`` is off, and then complain that it is there already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_kubeflow_trainer.links.settings import TAB_ROUTE, has_tab

URL_PREFIX = "/kubeflow-trainer"

_Message = MutableMapping[str, Any]


class LazyApp:
    """An ASGI application that is made when it is first asked for something."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._app: Any = None

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        if self._app is None:
            self._app = self._make()
        await self._app(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """Give the app behind the tab, as Airflow's ``fastapi_apps`` wants it."""
    return [{"app": LazyApp(_make_app), "url_prefix": URL_PREFIX, "name": "Kubeflow Trainer"}]


def external_views() -> list[dict[str, str]]:
    """Give one tab for each kind of page.

    The addresses are relative, so that they hold under any ``[api] base_url``. Airflow fills in the ids, but leaves
    ``{MAP_INDEX}`` as it stands where a task is not mapped.
    """
    task_instance = "view=task_instance&dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
    return [
        _tab("task_instance", TAB_ROUTE, task_instance),
        _tab("dag_run", "trainjobs-of-run", "view=dag_run&dag_id={DAG_ID}&run_id={RUN_ID}"),
        _tab("task", "trainjobs-of-task", "view=task&dag_id={DAG_ID}&task_id={TASK_ID}"),
    ]


def _tab(destination: str, route: str, query: str) -> dict[str, str]:
    prefix = URL_PREFIX.removeprefix("/")
    return {
        "name": "Training",
        "destination": destination,
        "url_route": route,
        "href": f"{prefix}/tab?{query}",
        "icon": f"{prefix}/static/icon.svg",
        "icon_dark_mode": f"{prefix}/static/icon-dark.svg",
    }


def _make_app() -> Any:
    from airflow_kubeflow_trainer.ui.app import make_app

    return make_app()


class KubeflowTrainerPlugin(AirflowPlugin):
    """The Training tab, on task instances, DAG runs and tasks."""

    name = "kubeflow_trainer"
    fastapi_apps = fastapi_apps() if has_tab() else []
    external_views = external_views() if has_tab() else []
