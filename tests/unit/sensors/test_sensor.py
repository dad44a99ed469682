"""What a sensor refuses while a DAG is parsed and once it is rendered, and what it makes of its arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException
from rendering import render

from airflow_kubeflow_trainer import TrainJobSensor
from airflow_kubeflow_trainer.exceptions import ConfigError, KubeflowTrainerError
from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.triggers.observing import SensorEvent, TrainJobSensorTrigger


def sensor(**arguments: Any) -> TrainJobSensor:
    with DAG("d"):
        return TrainJobSensor(task_id="t", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "name: name one TrainJob, or several by label_selector", id="nothing named"),
        pytest.param({"name": "a", "label_selector": "a=b"}, "name: .* one of both", id="both named"),
        pytest.param({"name": "My_Job"}, "name: 'My_Job' must be lower-case", id="no name"),
        pytest.param({"name": "a" * 64}, "name: .* at most 63", id="too long a name"),
        pytest.param({"name": 5}, "name: must be text, not 5", id="a number"),
        pytest.param({"label_selector": "a in b"}, "label_selector: unable to parse .*'a in b'", id="no selector"),
        pytest.param({"name": "a", "until": "done"}, "until: 'done' is not known; .*'complete'", id="no state"),
        pytest.param(
            {"label_selector": "a", "which": "some"}, "which: 'some' is not known; .*'all', 'any'", id="which"
        ),
        pytest.param({"name": "a", "namespace": "ML"}, "namespace: 'ML' must be lower-case", id="no namespace"),
        pytest.param({"name": "a", "deferrable": "no"}, "deferrable: must be True or False", id="text for truth"),
        pytest.param({"name": "a", "in_cluster": "no"}, "in_cluster: must be True or False", id="another"),
        pytest.param({"name": "a", "mode": "reschedule"}, "mode: .*set deferrable=False", id="two modes at once"),
    ],
)
def test_a_wrong_argument_is_refused_at_parse(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        sensor(**arguments)


@pytest.mark.parametrize("field", ["name", "label_selector", "namespace"])
def test_what_templates_make_of_a_field_is_checked_when_it_runs(field: str) -> None:
    arguments = {"name": "a"} if field == "namespace" else {}
    made = render(sensor(**arguments | {field: "{{ params.it }}"}), params={"it": "not OK!"})

    with pytest.raises(ConfigError, match=f"^{field}: "):
        made.execute({})


def test_each_of_its_template_fields_is_rendered() -> None:
    made = render(
        sensor(label_selector="team={{ params.it }}", namespace="{{ params.it }}", cluster_context="{{ params.it }}"),
        params={"it": "nlp"},
    )

    assert (made.awaited().label_selector, made.namespace, made.cluster_context) == ("team=nlp", "nlp", "nlp")


def test_a_sensor_can_be_mapped_and_wait_for_what_another_task_names() -> None:
    class Upstream(BaseOperator):
        """A task that gives a value."""

    with DAG("d"):
        named = TrainJobSensor(task_id="one", name=Upstream(task_id="up").output["name"])
        mapped = TrainJobSensor.partial(task_id="t", until="finished").expand(name=["a", "b"])

    assert named.upstream_task_ids == {"up"}
    assert render(mapped).awaited().until == "finished"


def test_names_and_numbers_are_all_that_a_trigger_is_made_of() -> None:
    arguments: dict[str, Any] = {
        "cluster": {"kubernetes_conn_id": "c", "namespace": None},
        "awaited": sensor(name="a", until="running").awaited().to_dict(),
        "seen": [],
        "started": 1.5,
        "deadline": 2.5,
    }
    path, kwargs = TrainJobSensorTrigger(**arguments).serialize()

    assert path == "airflow_kubeflow_trainer.triggers.observing.TrainJobSensorTrigger"
    assert json.loads(json.dumps(kwargs)) == arguments


@pytest.mark.parametrize("event", [None, {}, {"error": None}], ids=["none", "empty", "half of it"])
def test_an_event_that_says_nothing_is_no_success(event: Any) -> None:
    with pytest.raises(KubeflowTrainerError, match="without saying what it saw"):
        sensor(name="a").execute_complete({}, event)


def failing(error: str = "TrainJobFailedError") -> SensorEvent:
    return SensorEvent(error=error, message="words", expired=False, seen=[])


@pytest.mark.parametrize(
    ("arguments", "error", "raised"),
    [
        pytest.param(
            {"soft_fail": True}, "TrainJobDeletedError", "AirflowSkipException", id="soft: a TrainJob's fault"
        ),
        pytest.param({"soft_fail": True}, "ClusterUnreachableError", "ClusterUnreachableError", id="soft: no answer"),
        pytest.param({"never_fail": True}, "ClusterUnreachableError", "AirflowSkipException", id="never: no answer"),
        pytest.param({}, "TrainJobDeletedError", "TrainJobDeletedError", id="as it is"),
    ],
)
def test_what_is_skipped_and_what_fails(arguments: dict[str, Any], error: str, raised: str) -> None:
    with pytest.raises((AirflowSkipException, KubeflowTrainerError), match="words") as found:
        sensor(name="a", **arguments).execute_complete({}, failing(error))

    assert type(found.value).__name__ == raised


def test_it_takes_the_arguments_of_the_hook() -> None:
    given = {"kubernetes_conn_id": "c", "namespace": "ml", "config_file": "/f", "cluster_context": "x"}
    hook = sensor(name="a", in_cluster=False, **given).hook()

    assert isinstance(hook, KubeflowTrainerHook)
    assert (hook.kubernetes_conn_id, hook.given_namespace) == ("c", "ml")
    assert hook._arguments == {"in_cluster": False, "config_file": "/f", "cluster_context": "x"}
