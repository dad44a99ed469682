"""The application behind the Training tab: one page, its files, and what it shows as JSON.

Airflow does not protect what a plugin serves: each route that tells anything of a DAG asks Airflow whether the user may
read that DAG's logs. ``dag_id`` stands in the path, since Airflow's check takes it from there before anywhere else.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from airflow_kubeflow_trainer.ui import records

STATIC = Path(__file__).parent / "static"

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def _one_dag(dag_id: str) -> None:
    # For Airflow's check, "~" means every DAG.
    if dag_id == "~":
        raise HTTPException(404)


router = APIRouter(
    prefix="/api/{dag_id}",
    dependencies=[Depends(_one_dag), Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))],
)

RunId = Annotated[str | None, Query()]
TaskId = Annotated[str | None, Query()]


@router.get("/task-instance")
def task_instance(
    dag_id: str,
    run_id: Annotated[str, Query()],
    task_id: Annotated[str, Query()],
    session: SessionDep,
    map_index: Annotated[int, Query(ge=-1)] = -1,
) -> dict[str, Any]:
    """Tell all of one task instance's training."""
    found = records.of_task_instance(session, dag_id, run_id, task_id, map_index)
    if found is None:
        raise HTTPException(404, "There is no such task instance")
    return {"now": time.time(), **found}


@router.get("/manifest")
def manifest(
    dag_id: str,
    run_id: Annotated[str, Query()],
    task_id: Annotated[str, Query()],
    session: SessionDep,
    map_index: Annotated[int, Query(ge=-1)] = -1,
) -> dict[str, Any]:
    """Tell the TrainJob that a task instance has made, as YAML."""
    return {"manifest": records.manifest(session, dag_id, run_id, task_id, map_index)}


@router.get("/trainings")
def trainings(
    dag_id: str, session: SessionDep, run_id: RunId = None, task_id: TaskId = None, metric: str | None = None
) -> dict[str, Any]:
    """Tell of many trainings at once: those of a DAG run, of a mapped task in it, or of a task in its latest runs.

    :param metric: the one whose curves are wanted; by default the loss that most of them have.
    """
    if run_id is None and task_id is None:
        raise HTTPException(422, "Name run_id, task_id or both")
    return {"now": time.time(), **records.of_many(session, dag_id, run_id, task_id, metric)}


def make_app() -> FastAPI:
    """Make the application."""
    # Neither documentation nor schema: they would be open to anybody.
    app = FastAPI(title="Kubeflow Trainer", docs_url=None, redoc_url=None, openapi_url=None)

    files = f"static/{_digest(STATIC)}/"
    page = (STATIC / "tab.html").read_text(encoding="utf-8").replace("static/", files)

    @app.get("/tab")
    def tab(user: GetUserDep) -> HTMLResponse:
        return HTMLResponse(page, headers=PAGE_HEADERS)

    app.include_router(router)
    app.mount(f"/{files.rstrip('/')}", _Immutable(directory=STATIC))
    # For the icons, whose addresses Airflow has before this is made.
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


class _Immutable(StaticFiles):
    """Files under an address that changes with them: after an update, no browser mixes old ones with new ones."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
