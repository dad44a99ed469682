"""What Airflow's task runner does with an operator before execute()."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any


class TaskInstance(SimpleNamespace):
    """What rendering asks of a task instance."""

    def __init__(self, *, map_index: int, xcoms: Mapping[str, Any]) -> None:
        super().__init__(
            dag_id="d",
            run_id="r",
            task_id="t",
            map_index=map_index,
            try_number=1,
            start_date=datetime.datetime.now(datetime.UTC),
        )
        self.xcoms = xcoms

    def xcom_pull(self, *, task_ids: str, **_: Any) -> Any:
        return self.xcoms[task_ids]

    def get_relevant_upstream_map_indexes(self, **_: Any) -> None:
        return None


def render(operator: Any, *, params: Mapping[str, Any] | None = None, xcoms: Mapping[str, Any] | None = None) -> Any:
    """Render an operator, or the first task that a mapped one expands to.

    :param xcoms: what upstream tasks return, by their ids.
    """
    ti = TaskInstance(map_index=0 if operator.is_mapped else -1, xcoms=xcoms or {})
    prepared = operator.prepare_for_execution()
    context = {"ti": ti, "task_instance": ti, "dag": operator.dag, "task": prepared, "params": params or {}}
    context |= {"run_id": "r", "dag_run": SimpleNamespace(conf={})}
    prepared.render_template_fields(context, operator.dag.get_template_env())
    return context["task"]
