"""Tasks that leave records as trainings would; what the Training tab makes of them is the subject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator

from airflow_kubeflow_trainer import BuiltinTrainerOperator
from airflow_kubeflow_trainer.config import TorchTuneConfig
from airflow_kubeflow_trainer.operators.base import TrainJobOperator
from airflow_kubeflow_trainer.trainjob.progress import XCOM_KEY
from airflow_kubeflow_trainer.triggers.task_state import XCOM_KEY as TRAINJOB_KEY
from tests.ui import scenes

ANNOUNCED = ("name", "namespace", "uid")
RATES = ("1e-5", "3e-5", "1e-4", "3e-4", "1e-3", "3e-3")


class SceneOperator(BaseOperator):
    """Leaves a record, then ends as it is told.

    :param scene: name of a function in tests/ui/scenes.py.
    :param arguments: of that function.
    :param called: what the page of a mapped task calls it.
    :param end: ``success``, ``failure``, or ``wait``, deferred as a real one is.
    """

    template_fields: Sequence[str] = ("scene",)
    operator_extra_links = TrainJobOperator.operator_extra_links
    overwrite_rtif_after_execution = TrainJobOperator.overwrite_rtif_after_execution
    show_manifest = TrainJobOperator.show_manifest
    queue_name = "gpus"

    def __init__(
        self, *, scene: str, arguments: Sequence[Any] = (), end: str = "wait", called: str = "", **options: Any
    ) -> None:
        super().__init__(**options)
        self.scene = scene
        self.called = called
        self.arguments = arguments
        self.end = end

    def execute(self, context: Any) -> None:
        record = getattr(scenes, self.scene)(*self.arguments)
        context["ti"].xcom_push(key=TRAINJOB_KEY, value={key: record["trainjob"][key] for key in ANNOUNCED})
        context["ti"].xcom_push(key=XCOM_KEY, value=record)
        self.show_manifest(scenes.manifest(record["trainjob"]["name"]))
        if self.end == "failure":
            raise RuntimeError("TrainJob did not succeed")
        if self.end == "wait":
            self.defer(trigger=DateTimeTrigger(moment=datetime.now(UTC) + timedelta(days=1)), method_name="resumed")

    def resumed(self, context: Any, event: Any) -> None:
        """End, after a day that no test waits for."""


class PlainOperator(BaseOperator):
    """A task of somebody else's."""

    def execute(self, context: Any) -> None:
        for _ in range(3):
            self.log.info("Step 1 | loss:1.0")


OPTIONS: dict[str, Any] = {"schedule": None}

with DAG("scenes", **OPTIONS):
    SceneOperator(task_id="finished", scene="finished", end="success")
    later = BuiltinTrainerOperator(task_id="later", runtime="torchtune-llama3.2-1b", config=TorchTuneConfig(epochs=1))
    SceneOperator(task_id="running", scene="running") >> later
    SceneOperator(task_id="queued", scene="queued")
    SceneOperator(task_id="changing", scene="running", arguments=["llama-changing"])
    SceneOperator(task_id="failed", scene="failed", end="failure")
    PlainOperator(task_id="foreign")

with DAG("sweep", **OPTIONS):
    SceneOperator.partial(
        task_id="train", scene="one_of_a_sweep", map_index_template="{{ task.called }}"
    ).expand_kwargs(
        [
            {"arguments": [index, len(RATES)], "called": f"lr={rate}", "end": "success" if index % 3 == 0 else "wait"}
            for index, rate in enumerate(RATES)
        ]
    )

with DAG("secret", **OPTIONS):
    SceneOperator(task_id="hidden", scene="running")
