"""Links to pages outside of Airflow, of which the configuration has a template: dashboard, Kueue, Grafana, ..."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from configparser import InterpolationError
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from airflow_kubeflow_trainer.links import settings
from airflow_kubeflow_trainer.triggers.task_state import XCOM_KEY

log = logging.getLogger(__name__)

_FIELD = re.compile(r"\{(\w+)\}")
_OF_TRAINJOB = ("name", "namespace", "uid")
_OF_OPERATOR = ("queue_name", "kubernetes_conn_id")
_OF_TASK = ("dag_id", "run_id", "task_id", "map_index", "try_number")
FIELDS = (*_OF_TRAINJOB, *_OF_OPERATOR, *_OF_TASK)
"""What may stand in braces in a template."""


class OutsideLink(BaseOperatorLink):
    """Leads to what ``[kubeflow_trainer] <option>`` says; there is none where it says nothing."""

    def __init__(self, name: str, option: str) -> None:
        self._name = name
        self.option = option

    @property
    def name(self) -> str:
        return self._name

    @property
    def xcom_key(self) -> str:
        # By default one for each class.
        return f"_link_{settings.SECTION}_{self.option}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        try:
            template = settings.address(self.option)
        except InterpolationError as error:
            log.warning("[%s] %s: in a file, a %% is written %%%% (%s)", settings.SECTION, self.option, error)
            return ""
        unknown = set(_FIELD.findall(template)) - set(FIELDS)
        if unknown:
            log.warning(
                "[%s] %s: there is no {%s}; there are: %s",
                settings.SECTION,
                self.option,
                "}, {".join(sorted(unknown)),
                ", ".join(f"{{{field}}}" for field in FIELDS),
            )
            return ""
        return fill(template, _values(operator, ti_key)) if template else ""


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template; empty where something that it wants is not known, as the queue of a task without one.

    Braces that hold no single word, as those of JSON in a query, are left as they are.
    """
    wanted = _FIELD.findall(template)
    if any(values.get(field) in (None, "") for field in wanted):
        return ""
    return _FIELD.sub(lambda found: quote(str(values[found[1]]), safe=""), template)


def _values(operator: Any, ti_key: Any) -> dict[str, Any]:
    from airflow.sdk.execution_time.xcom import XCom

    task = {field: getattr(ti_key, field) for field in _OF_TASK}
    key = {field: task[field] for field in ("dag_id", "run_id", "task_id", "map_index")}
    # Not from the operator: a task that is ended while it is deferred comes back without having been told.
    trainjob = XCom.get_one(key=XCOM_KEY, **key)
    of_trainjob = {field: trainjob.get(field) for field in _OF_TRAINJOB} if isinstance(trainjob, Mapping) else {}
    return {**task, **{field: getattr(operator, field, None) for field in _OF_OPERATOR}, **of_trainjob}


OUTSIDE_LINKS = (
    OutsideLink("TrainJob", "dashboard_url"),
    OutsideLink("Kueue", "kueue_url"),
    OutsideLink("Grafana", "grafana_url"),
    OutsideLink("TensorBoard", "tensorboard_url"),
    OutsideLink("MLflow", "mlflow_url"),
)
