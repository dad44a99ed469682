"""What the audit of a soak would find."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from tests.soak.audit import doubled, missing, side_by_side, wrong_owners
from tests.soak.witness import two_at_once

WANTED = ["line 1", "line 2"]


@pytest.mark.parametrize(
    ("log", "wrong"),
    [
        pytest.param(["else", "line 1", "line 2"], [], id="all are there"),
        pytest.param(["line 1"], ["line 2 is missing"], id="one is missing"),
        pytest.param(["line 1", "line 2", "line 2"], ["line 2 2 times"], id="one is doubled"),
        pytest.param(["line 1", "Pod p was restarted in place (restart 1)", "line 1", "line 2"], [], id="run again"),
        pytest.param(
            ["line 1", "line 2", "Pod q took over", "line 1"], ["line 2 is missing"], id="lost in the last run"
        ),
    ],
)
def test_lines_that_are_missing_or_doubled_are_named(log: list[str], wrong: list[str]) -> None:
    assert missing(log, WANTED) + doubled(log, WANTED) == wrong


def test_trainjobs_that_are_one_too_many_or_left_behind_are_named() -> None:
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}

    assert wrong_owners([trainjob("a", 1, ended), trainjob("b", 2, ended)], {"r": ("ti", 2)}) == []
    assert wrong_owners([trainjob("a", 1, ended), trainjob("b", 1, ended)], {}) == ["one try (1) has ['a', 'b']"]
    assert "goes on" in wrong_owners([trainjob("a", 1, {})], {})[0]
    assert wrong_owners([trainjob("a", 1, ended)], {"r": ("ti", 2)}) == []
    assert wrong_owners([trainjob("a", 1, ended)], {"r": ("another", 2)}) == [
        "run r succeeded, and no TrainJob of its last try ('another', 2) did; there are Succeeded of ('ti', 1)"
    ]


def test_trainjobs_of_one_task_that_trained_at_the_same_time_are_named() -> None:
    def trained(name: str, number: int, began: int, ended: int) -> dict[str, Any]:
        over = {"type": "Complete", "status": "True", "lastTransitionTime": f"2026-01-01T00:00:{ended}Z"}
        made = trainjob(name, number, {"conditions": [over]})
        made["metadata"] |= {"creationTimestamp": f"2026-01-01T00:00:{began}Z", "uid": name, "namespace": "default"}
        return made

    first = trained("a", 1, 10, 30)

    assert side_by_side([trained("b", 2, 30, 40), first]) == []
    assert side_by_side([trained("b", 2, 25, 40), first]) == ["b began 5 s before a, of an earlier try, had ended"]


def test_a_task_of_which_two_trainjobs_go_on_at_once_is_named() -> None:
    over = {"conditions": [{"type": "Failed", "status": "True"}]}
    leaving = trainjob("c", 3, {})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert two_at_once([trainjob("a", 1, over), trainjob("b", 2, {}), leaving]) == set()
    assert two_at_once([trainjob("a", 1, {}), trainjob("b", 2, {})]) == {"('d', 'r', 't'): ['a', 'b']"}


def trainjob(name: str, number: int, status: dict[str, Any]) -> dict[str, Any]:
    identity = TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=number, ti_id="ti")
    return {"metadata": {"name": name, "annotations": identity.annotations()}, "spec": {}, "status": status}
