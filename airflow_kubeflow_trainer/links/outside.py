"""Links to pages outside of Airflow, of which the configuration has a template: dashboard, Kueue, Grafana, ..."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, ClassVar
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

    option: ClassVar[str]

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        template = settings.address(self.option)
        if not template:
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
        return fill(template, _values(operator, ti_key))


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


class DashboardLink(OutsideLink):
    """Leads to a dashboard of TrainJobs."""

    name = "TrainJob"
    option = "dashboard_url"


class KueueLink(OutsideLink):
    """Leads to the queue that the TrainJob is in."""

    name = "Kueue"
    option = "kueue_url"


class GrafanaLink(OutsideLink):
    """Leads to the nodes' and GPUs' load."""

    name = "Grafana"
    option = "grafana_url"


class TensorBoardLink(OutsideLink):
    """Leads to TensorBoard."""

    name = "TensorBoard"
    option = "tensorboard_url"


class MLflowLink(OutsideLink):
    """Leads to MLflow."""

    name = "MLflow"
    option = "mlflow_url"


OUTSIDE_LINKS = (DashboardLink(), KueueLink(), GrafanaLink(), TensorBoardLink(), MLflowLink())
