"""When a sensor's waiting is over, by what it has seen."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.exceptions import (
    TrainJobDeletedError,
    TrainJobFailedError,
    TrainJobMissingError,
    TrainJobSucceededError,
    TrainJobTimeoutError,
)
from airflow_kubeflow_trainer.trainjob.awaiting import Awaited, Until, Verdict, decide, expire
from airflow_kubeflow_trainer.trainjob.seen import Seen

UIDS = count()
NEW: dict[str, Any] = {}
SUSPENDED = {"spec": {"suspend": True}, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}}
TOLD_TO_SUSPEND = {"spec": {"suspend": True}}
RESUMED = {"spec": {"suspend": False}, "status": {"conditions": [{"type": "Suspended", "status": "False"}]}}
BEING_RESUMED = SUSPENDED | {"spec": {"suspend": False}}
PENDING = {"status": {"jobsStatus": [{"name": "node", "active": 1, "ready": 0}]}}
FETCHING = {"status": {"jobsStatus": [{"name": "node"}, {"name": "dataset-initializer", "ready": 1}]}}
RUNNING = {"status": {"jobsStatus": [{"name": "dataset-initializer", "succeeded": 1}, {"name": "node", "ready": 1}]}}
SUSPENDED_IN_WORD_ONLY = {
    "spec": {"suspend": True},
    "status": SUSPENDED["status"] | {"jobsStatus": [{"name": "node", "active": 1, "ready": 1, "suspended": 0}]},
}
RESUMED_IN_WORD_ONLY = {
    "spec": {"suspend": False},
    "status": RESUMED["status"] | {"jobsStatus": [{"name": "node", "active": 0, "ready": 0, "suspended": 1}]},
}
COMPLETE = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
FAILED = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
WAYS = {
    "new": NEW,
    "suspended": SUSPENDED,
    "told to suspend": TOLD_TO_SUSPEND,
    "being resumed": BEING_RESUMED,
    "resumed": RESUMED,
    "pending": PENDING,
    "fetching": FETCHING,
    "running": RUNNING,
    "suspended, and its pods go on": SUSPENDED_IN_WORD_ONLY,
    "resumed, and its pods are held back": RESUMED_IN_WORD_ONLY,
    "complete": COMPLETE,
    "failed": FAILED,
}


def trainjob(state: dict[str, Any], *, name: str = "job", uid: str | None = None) -> dict[str, Any]:
    conditions = [
        condition | {"reason": f"{condition['type']}Reason", "message": "words"}
        for condition in state.get("status", {}).get("conditions", [])
    ]
    return {
        "metadata": {"name": name, "namespace": "ml", "uid": uid or f"uid-{next(UIDS)}"},
        "spec": state.get("spec", {}),
        "status": {**state.get("status", {}), "conditions": conditions},
    }


def seen(*states: dict[str, Any]) -> Seen:
    found = Seen()
    found.see_all([trainjob(state, name=f"job-{index}") for index, state in enumerate(states)])
    return found


def outcome(until: str, found: Seen, *, which: str = "all") -> str:
    verdict = decide(Awaited(until=until, label_selector="a=b", which=which), found)
    if verdict is None:
        return "waits"
    return "reached" if verdict.error is None else type(verdict.error).__name__


REACHED_BY = {
    "complete": {"complete"},
    "failed": {"failed"},
    "finished": {"complete", "failed"},
    "running": {"running", "complete"},
    "admitted": {"new", "resumed", "pending", "fetching", "running", "complete"},
    "suspended": {"suspended"},
}


@pytest.mark.parametrize("until", [each.value for each in Until])
@pytest.mark.parametrize("state", WAYS)
def test_each_state_is_where_it_was_awaited_or_on_its_way_or_past_it(until: str, state: str) -> None:
    if state in REACHED_BY[until]:
        expected = "reached"
    else:
        expected = {"complete": "TrainJobSucceededError", "failed": "TrainJobFailedError"}.get(state, "waits")

    assert outcome(until, seen(WAYS[state])) == expected


@pytest.mark.parametrize(
    ("which", "states", "expected"),
    [
        pytest.param("all", [COMPLETE, COMPLETE], "reached", id="all have ended well"),
        pytest.param("all", [COMPLETE, RUNNING], "waits", id="one is missing"),
        pytest.param("all", [RUNNING, FAILED], "TrainJobFailedError", id="one cannot get there any more"),
        pytest.param("any", [COMPLETE, RUNNING], "reached", id="one is enough"),
        pytest.param("any", [FAILED, RUNNING], "waits", id="another may still get there"),
        pytest.param("any", [FAILED, COMPLETE], "reached", id="a failed one among them"),
        pytest.param("any", [FAILED, FAILED], "TrainJobFailedError", id="none can"),
        pytest.param("all", [], "waits", id="all of none"),
        pytest.param("any", [], "waits", id="any of none"),
    ],
)
def test_all_or_any_of_several(which: str, states: list[dict[str, Any]], expected: str) -> None:
    assert outcome("complete", seen(*states), which=which) == expected


def test_the_first_end_that_was_seen_is_the_end() -> None:
    found = Seen()
    found.see(trainjob(FAILED, uid="1"))

    found.see(trainjob(RUNNING, uid="1"))
    found.see(trainjob(COMPLETE, uid="1"))

    assert outcome("failed", found) == "reached"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(RUNNING, "TrainJobDeletedError", id="on its way"),
        pytest.param(COMPLETE, "reached", id="after it had got there"),
        pytest.param(FAILED, "TrainJobFailedError", id="after it had failed"),
    ],
)
def test_what_is_deleted_counts_as_it_was(state: dict[str, Any], expected: str) -> None:
    found = Seen()
    found.see_all([trainjob(state)])

    found.see_all([])

    assert outcome("complete", found) == expected


def test_one_that_was_suspended_and_is_deleted_is_nowhere_any_more() -> None:
    found = Seen()
    found.see_all([trainjob(SUSPENDED, uid="1"), trainjob(PENDING, uid="2")])

    found.see_all([trainjob(SUSPENDED, uid="2")])

    assert outcome("suspended", found) == "TrainJobDeletedError"


def test_another_one_of_the_same_name_does_not_stand_in_for_one_that_was_deleted() -> None:
    found = Seen()
    found.see_all([trainjob(RUNNING, uid="1")])
    found.see_all([trainjob(COMPLETE, uid="2")])

    verdict = decide(Awaited(until="complete", name="job"), found)

    assert verdict is not None
    assert isinstance(verdict.error, TrainJobDeletedError)


def test_a_job_is_running_when_its_launcher_is_and_whatever_its_trainer_is_called() -> None:
    waits_for_launcher = {"status": {"jobsStatus": [{"name": "node", "ready": 2}, {"name": "launcher", "ready": 0}]}}
    of_another_name = {"status": {"jobsStatus": [{"name": "model-initializer"}, {"name": "worker", "ready": 1}]}}

    assert outcome("running", seen(waits_for_launcher)) == "waits"
    assert outcome("running", seen(of_another_name)) == "reached"


@pytest.mark.parametrize(
    ("until", "states", "kind", "words"),
    [
        pytest.param(
            "complete",
            [FAILED],
            TrainJobFailedError,
            "TrainJob ml/job-0 ended as Failed (FailedReason: words), while 'complete' was awaited",
            id="failed",
        ),
        pytest.param(
            "suspended",
            [COMPLETE],
            TrainJobSucceededError,
            "TrainJob ml/job-0 ended as Succeeded (CompleteReason: words), while 'suspended' was awaited",
            id="succeeded",
        ),
    ],
)
def test_the_error_says_which_trainjob_ended_how(
    until: str, states: list[dict[str, Any]], kind: type[Exception], words: str
) -> None:
    verdict = decide(Awaited(until=until, label_selector="a=b"), seen(*states))

    assert verdict is not None
    assert type(verdict.error) is kind
    assert str(verdict.error) == words


def test_a_long_list_of_failures_is_cut() -> None:
    verdict = decide(Awaited(until="complete", label_selector="a=b"), seen(*[FAILED] * 8))

    assert verdict is not None
    assert str(verdict.error).count("ended as") == 5
    assert "; and 3 more" in str(verdict.error)


def test_what_never_appeared_and_what_did_not_get_there_are_told_apart() -> None:
    one, several = Awaited(until="complete", name="job"), Awaited(until="complete", label_selector="a=b")

    assert error_of(expire(one, seen(), seconds=60)) == (
        TrainJobMissingError,
        "TrainJob job did not appear within 60 s: there was none at any time",
    )
    assert error_of(expire(several, seen(), seconds=60))[1].startswith("A TrainJob with a=b did not appear")
    assert error_of(expire(several, seen(COMPLETE, SUSPENDED), seconds=60)) == (
        TrainJobTimeoutError,
        "Not complete within 60 s: TrainJob ml/job-1 was still Queued (SuspendedReason: words)",
    )


def error_of(verdict: Verdict) -> tuple[type[Exception], str]:
    return type(verdict.error), str(verdict.error)


@given(
    looks=st.lists(st.lists(st.sampled_from(sorted(WAYS)), min_size=3, max_size=3), max_size=4),
    until=st.sampled_from([each.value for each in Until]),
    which=st.sampled_from(["all", "any"]),
    stored=st.booleans(),
)
def test_it_is_the_same_however_often_it_is_looked_and_stored_in_between(
    looks: list[list[str]], until: str, which: str, stored: bool
) -> None:
    by_change, by_list = Seen(), Seen()
    for states in looks:
        trainjobs = [trainjob(WAYS[state], uid=str(index)) for index, state in enumerate(states)]
        by_list.see_all(trainjobs)
        for each in reversed(trainjobs):
            by_change.see(each)
        if stored:
            by_list = Seen(by_list.to_records())

    assert outcome(until, by_change, which=which) == outcome(until, by_list, which=which)
