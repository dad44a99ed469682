"""Which ends of TrainJobs are told: each once, also by a process that goes on from what another one stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.ended import MAX_KEPT, Ended, Told


def ended(uid: str, *, at: int = 0) -> Ended:
    moment = f"2026-01-01T{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}Z"
    return Ended(
        name=uid, namespace="ml", uid=uid, outcome="complete", reason="", message="", ended_at=moment, labels={}
    )


def again(told: Told) -> Told:
    """What another process goes on from."""
    return Told(json.loads(json.dumps(told.stored())))


def begun(*before: Ended) -> Told:
    told = Told()
    assert told.take(before) == []
    told.confirm(before, there=[one.uid for one in before])
    return told


def test_what_had_ended_at_the_first_look_is_not_told_and_what_ends_later_is() -> None:
    told = begun(ended("old"))

    assert told.take([ended("old"), ended("new")]) == [ended("new")]
    assert told.take([ended("new")]) == []


def test_an_end_that_did_not_arrive_is_told_again_by_the_next_process() -> None:
    told = begun()
    told.take([ended("lost"), ended("arrived")])
    told.confirm([ended("arrived")], there=None)

    assert again(told).take([ended("lost"), ended("arrived")]) == [ended("lost")]


def test_what_ends_while_nobody_looks_is_told_by_the_next_process() -> None:
    assert again(begun(ended("old"))).take([ended("old"), ended("meanwhile")]) == [ended("meanwhile")]
    assert again(begun()).take([ended("meanwhile")]) == [ended("meanwhile")]


def test_what_is_gone_is_forgotten() -> None:
    told = begun(ended("old"), ended("older"))

    told.confirm([], there=["old"])

    assert told.stored()["uids"].keys() == {"old"}


def test_what_is_stored_does_not_grow_and_what_was_dropped_is_not_told_again() -> None:
    many = [ended(f"uid-{number:05}", at=number) for number in range(3 * MAX_KEPT)]
    told = begun()
    assert told.take(many) == many

    told.confirm(many, there=None)

    assert len(told.stored()["uids"]) == MAX_KEPT
    assert len(json.dumps(told.stored())) < 65_535
    assert again(told).take([*many, ended("new", at=4 * MAX_KEPT)]) == [ended("new", at=4 * MAX_KEPT)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["look", "arrive", "die"]), st.sets(st.integers(0, 9), max_size=4)), max_size=12
    )
)
def test_every_end_arrives_and_none_that_has_arrived_is_told_again(steps: list[tuple[str, set[int]]]) -> None:
    told, there, underway, arrived = begun(), dict[str, Ended](), list[Ended](), list[str]()
    for step, numbers in steps:
        there |= {str(number): ended(str(number), at=number) for number in numbers}
        match step:
            case "look":
                underway += told.take(there.values())
            case "arrive":
                told.confirm(underway, there=there)
                arrived += [one.uid for one in underway]
                underway = []
            case _:
                told, underway = again(told), []
    underway += told.take(there.values())
    told.confirm(underway, there=there)
    arrived += [one.uid for one in underway]

    assert sorted(arrived) == sorted(there)


@pytest.mark.parametrize(
    ("kind", "outcome"), [("Complete", "complete"), ("Failed", "failed"), ("Suspended", None)], ids=str
)
def test_an_end_says_whose_it_is_and_how_it_came(kind: str, outcome: str | None) -> None:
    trainjob: dict[str, Any] = {
        "metadata": {"name": "a", "namespace": "ml", "uid": "1", "labels": {"team": "nlp"}},
        "spec": {},
        "status": {
            "conditions": [
                {
                    "type": kind,
                    "status": "True",
                    "reason": "R",
                    "message": "m",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ]
        },
    }
    found = Ended.of(trainjob)

    if outcome is None:
        assert found is None
    else:
        assert found is not None
        assert found.to_dict() == {
            "name": "a",
            "namespace": "ml",
            "uid": "1",
            "outcome": outcome,
            "reason": "R",
            "message": "m",
            "ended_at": "2026-01-01T00:00:00Z",
            "labels": {"team": "nlp"},
        }
