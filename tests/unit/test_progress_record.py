"""The record: all that the Training tab shows, in plain data that always fits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from podobjects import pod_object, running, terminated

from airflow_kubeflow_trainer.trainjob.diagnosis import Cause, Diagnosis
from airflow_kubeflow_trainer.trainjob.phase import Phase, PhaseReport
from airflow_kubeflow_trainer.trainjob.pods import Pod
from airflow_kubeflow_trainer.trainjob.progress import MAX_RECORD_BYTES, Recorder, entered_at


def recorder(earlier: dict[str, Any] | None = None, uid: str = "u1") -> Recorder:
    return Recorder(name="llama-abc", namespace="ml", uid=uid, earlier=earlier)


def trained(steps: int, *, metrics: int = 0) -> Recorder:
    made = recorder()
    extra = "".join(f', "metric_{number}": 0.123456789' for number in range(metrics))
    for step in range(1, steps + 1):
        said = f'kubeflow-trainer: {{"step": {step}, "total_steps": {steps}, "loss": {1 / step}{extra}}}'
        made.progress.feed(said, 1.7e9 + step)
    return made


def event(reason: str, *, kind: str = "Normal", count: int = 1, at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    about = {"kind": "Pod", "name": "job-node-0-0-abcde"}
    return {"reason": reason, "message": f"why {reason}", "type": kind, "count": count, "lastTimestamp": at} | {
        "involvedObject": about,
        "metadata": {},
    }


def test_a_record_of_a_short_training_has_every_point() -> None:
    loss = trained(300).to_record(2e9)["metrics"]["loss"]

    assert loss["x"] == list(range(1, 301))
    assert loss["y"][:3] == [1.0, 0.5, 0.333333]
    assert (loss["over"], loss["count"], loss["latest"]) == ("step", 300, 0.00333333)


@pytest.mark.parametrize("metrics", [0, 3, 31])
def test_a_record_of_a_long_training_fits_and_has_its_ends(metrics: int) -> None:
    record = trained(20_000, metrics=metrics).to_record(2e9)

    loss = record["metrics"]["loss"]
    assert len(json.dumps(record)) <= MAX_RECORD_BYTES
    assert (loss["x"][0], loss["x"][-1], loss["count"]) == (1, 20_000, 20_000)
    assert len(record["metrics"]) == 1 + metrics


def test_a_loss_that_is_no_number_is_told_and_is_valid_json() -> None:
    made = recorder()
    for step, loss in enumerate(["2.0", "1.5", "nan", "nan"], start=1):
        made.progress.feed(f"step={step} loss={loss}", float(step))

    loss = json.loads(json.dumps(made.to_record(9.0), allow_nan=False))["metrics"]["loss"]

    assert (loss["y"], loss["latest"], loss["not_finite"], loss["not_finite_since"]) == ([2.0, 1.5], "NaN", 2, 3)


def test_phases_have_a_beginning_an_end_and_the_last_words() -> None:
    made = recorder()
    made.see_phase(PhaseReport(Phase.QUEUED, "Suspended", "waits for quota"), 100.0)
    made.see_phase(PhaseReport(Phase.QUEUED), 105.0)
    made.see_phase(PhaseReport(Phase.RUNNING), 160.0)
    # The clock of a node that is behind.
    made.see_phase(PhaseReport(Phase.FAILED, "FailedJobs"), 150.0)

    record = made.to_record(200.0)

    assert record["phase"] == "Failed"
    assert record["phases"] == [
        {"phase": "Queued", "since": 100.0, "until": 160.0, "reason": "Suspended: waits for quota"},
        {"phase": "Running", "since": 160.0, "until": 160.0, "reason": ""},
        {"phase": "Failed", "since": 160.0, "until": None, "reason": "FailedJobs"},
    ]


@pytest.mark.parametrize(
    ("pod", "gone", "shown"),
    [
        pytest.param(pod_object(state=running()), False, ("Running", 0, None, ""), id="running"),
        pytest.param(pod_object(state=running()), True, ("Gone", 0, None, ""), id="gone"),
        pytest.param(
            pod_object(state=terminated(0, "Completed")), True, ("Completed", 0, 0, ""), id="completed, then gone"
        ),
        pytest.param(
            pod_object(state=terminated(137, "OOMKilled")),
            False,
            ("OOMKilled", 0, 137, "OOMKilled"),
            id="out of memory",
        ),
        pytest.param(
            pod_object(state=terminated(1, message="ImportError: x")),
            False,
            ("Error", 0, 1, "ImportError: x"),
            id="failed with words",
        ),
        pytest.param(
            pod_object(state=running(), last_state=terminated(1), restarts=2),
            False,
            ("Running", 2, 1, ""),
            id="running again",
        ),
        pytest.param(
            pod_object(
                phase="Pending",
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
                ],
            ),
            False,
            ("Unschedulable", 0, None, "Unschedulable: 0/3 nodes"),
            id="unschedulable",
        ),
        pytest.param(
            pod_object(phase="Pending", state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            False,
            ("ImagePullBackOff", 0, None, "ImagePullBackOff: no such image"),
            id="no image",
        ),
        pytest.param(
            pod_object(phase="Failed", reason="Evicted", message="low on memory"),
            False,
            ("Evicted", 0, None, "Evicted: low on memory"),
            id="evicted",
        ),
    ],
)
def test_a_pod_is_shown_as_kubectl_would(pod: dict[str, Any], gone: bool, shown: tuple[Any, ...]) -> None:
    made = recorder()
    made.see_pod(Pod.from_object(pod), gone=gone)

    (row,) = made.to_record(0.0)["pods"]

    assert (row["state"], row["restarts"], row["exit_code"], row["reason"]) == shown
    assert (row["name"], row["node"], row["container"]) == (
        "job-node-0-0-abcde",
        "gpu-7",
        "node" if pod["status"]["containerStatuses"] else None,
    )


def test_of_very_many_pods_the_one_that_failed_is_always_there() -> None:
    made = recorder()
    for index in range(500):
        made.see_pod(Pod.from_object(pod_object(f"node-{index}", index=index, state=running())))
    made.see_pod(Pod.from_object(pod_object("node-499", index=499, state=terminated(1))))

    record = made.to_record(0.0)

    assert len(record["pods"]) + record["pods_left_out"] == 500
    assert {"node-0", "node-499"} <= {pod["name"] for pod in record["pods"]}


def test_events_that_come_again_are_counted_and_warnings_push_out_the_rest() -> None:
    made = recorder()
    made.see_event(event("BackOff", kind="Warning", count=2))
    for number in range(200):
        made.see_event(event(f"Normal{number}", at=f"2026-01-01T01:{number // 60:02}:{number % 60:02}Z"))
    made.see_event(event("BackOff", kind="Warning", count=5))

    events = made.to_record(0.0)["events"]

    assert [(row["reason"], row["count"]) for row in events if row["type"] == "Warning"] == [("BackOff", 5)]
    assert events[-1]["reason"] == "Normal199"
    assert [row["at"] for row in events] == sorted(row["at"] for row in events)


def test_moments_are_told_to_the_second() -> None:
    made = recorder()
    made.see_phase(PhaseReport(Phase.RUNNING), 1767225601.25)
    made.see_event(event("Started", at="2026-01-01T00:00:07Z"))
    made.see_pod(Pod.from_object(pod_object(state=running(), created="2026-01-01T00:00:09Z")))

    record = made.to_record(1767225630.5)

    assert record["updated"] == 1767225630.5
    assert record["phases"][0]["since"] == 1767225601.25
    assert (record["events"][0]["at"], record["pods"][0]["since"]) == (1767225607.0, 1767225609.0)


def test_a_diagnosis_is_in_the_record_with_all_that_it_says() -> None:
    made = recorder()
    made.see_end(Diagnosis(Cause.OUT_OF_MEMORY, "It used more memory than its limit", "pod-1"))

    diagnosis = made.to_record(0.0)["diagnosis"]

    assert json.loads(json.dumps(diagnosis))["cause"] == "OutOfMemory"
    assert (diagnosis["message"], diagnosis["pod"]) == ("It used more memory than its limit", "pod-1")


def test_the_epochs_of_a_trainjobs_arguments_are_known_before_its_log_begins() -> None:
    made = recorder()
    made.see_trainjob(
        {
            "spec": {
                "runtimeRef": {"name": "torchtune-llama3.2-1b"},
                "trainer": {"numNodes": 2, "args": ["dataset.source=x", "epochs=4"]},
            }
        }
    )
    made.progress.feed("1|5|Loss: 2.0:  50%|###   | 5/10 [00:03<00:04,  3.2it/s]", 1.0)

    record = made.to_record(0.0)

    assert record["progress"]["percent"] == 12.5
    assert (record["trainjob"]["runtime"], record["trainjob"]["nodes"]) == ("torchtune-llama3.2-1b", 2)


def test_another_process_goes_on_from_the_record_and_passes_over_what_it_is_told_again() -> None:
    lines = [f'kubeflow-trainer: {{"step": {step}, "total_steps": 90, "loss": {1 / step}}}' for step in range(1, 81)]
    first = recorder()
    first.see_phase(PhaseReport(Phase.RUNNING), 10.0)
    first.see_pod(Pod.from_object(pod_object(state=terminated(1))))
    first.see_event(event("Started"))
    for at, line in enumerate(lines[:50]):
        first.progress.feed(line, 100.0 + at)
    left = json.loads(json.dumps(first.to_record(150.0)))

    second = recorder(earlier=left)
    assert {**second.to_record(150.0), "progress": None} == {**left, "progress": None}
    for at, line in enumerate(lines):
        second.progress.feed(line, 100.0 + at)

    record = second.to_record(200.0)
    assert record["metrics"]["loss"]["x"] == list(range(1, 81))
    assert record["metrics"]["loss"]["count"] == 80
    assert record["progress"]["step"] == 80
    assert record["restarts"] == []
    assert [phase["since"] for phase in record["phases"]] == [10.0]


@pytest.mark.parametrize(
    ("uid", "version"),
    [pytest.param("u2", 1, id="of another TrainJob"), pytest.param("u1", 0, id="of another version")],
)
def test_a_record_that_is_not_of_this_trainjob_is_not_taken_up(uid: str, version: int) -> None:
    left = {**trained(5).to_record(0.0), "version": version}

    assert recorder(earlier=left, uid=uid).to_record(0.0)["metrics"] == {}


def test_the_final_metrics_are_the_last_of_each() -> None:
    made = recorder()
    made.progress.feed("step=1 loss=2.0 reward=1.5", 1.0)
    made.progress.feed("step=2 loss=nan", 2.0)

    assert made.final_metrics() == {"loss": "NaN", "reward": 1.5}


@given(
    text=st.text(alphabet=st.characters(), min_size=0, max_size=3000),
    pods=st.integers(0, 80),
    events=st.integers(0, 80),
    metrics=st.integers(0, 40),
)
@example(text="\U0001f600" * 700, pods=80, events=80, metrics=40)
def test_whatever_is_in_it_a_record_fits(text: str, pods: int, events: int, metrics: int) -> None:
    made = recorder()
    made.see_phase(PhaseReport(Phase.FAILED, text, text), 1.0)
    for number in range(pods):
        made.see_pod(Pod.from_object(pod_object(f"{number}{text}", state=terminated(1, text, text))))
    for number in range(events):
        made.see_event({**event("x"), "message": f"{number}{text}", "reason": text})
    for step in range(20):
        said = {"step": 2**52 + step, "metrics": {f"m{'x' * 60}{name}": step / 3e300 for name in range(metrics)}}
        made.progress.feed(f"kubeflow-trainer: {json.dumps(said)}", float(step))
    made.see_end(Diagnosis(Cause.UNKNOWN, text, text))

    assert len(json.dumps(made.to_record(2e9), allow_nan=False)) <= MAX_RECORD_BYTES


CREATED, RESUMED, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:09:00Z"
STARTED = "2026-01-01T00:02:00Z"


@pytest.mark.parametrize(
    ("phase", "conditions", "seconds"),
    [
        pytest.param(Phase.STARTING, [], 0, id="created"),
        pytest.param(Phase.QUEUED, [("Suspended", CREATED)], 0, id="suspended"),
        pytest.param(Phase.STARTING, [("Suspended", RESUMED)], 60, id="admitted"),
        pytest.param(Phase.RUNNING, [("Suspended", RESUMED)], 120, id="its pods' containers started"),
        pytest.param(Phase.FAILED, [("Failed", ENDED)], 540, id="failed"),
        pytest.param(Phase.INITIALIZING, [], 999, id="not told: now"),
    ],
)
def test_a_phase_begins_when_the_server_says(phase: Phase, conditions: list[tuple[str, str]], seconds: float) -> None:
    trainjob = {
        "metadata": {"creationTimestamp": CREATED},
        "status": {"conditions": [{"type": kind, "lastTransitionTime": at} for kind, at in conditions]},
    }
    created = 1767225600.0
    pods = [Pod.from_object(pod_object(state=running(STARTED)))]

    at = entered_at(trainjob, PhaseReport(phase), pods, trainer_job="node", now=created + 999)

    assert at == created + seconds
