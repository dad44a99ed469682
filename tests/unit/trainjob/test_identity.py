"""Names of TrainJobs: what Kubernetes allows, and one for each try."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity, path_segment, trainjob_name

IDS = st.text(min_size=1, max_size=260)
IDENTITIES = st.builds(
    TaskIdentity,
    dag_id=IDS,
    run_id=IDS,
    task_id=IDS,
    map_index=st.integers(-1, 2000),
    try_number=st.integers(1, 50),
)
RFC_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


@given(identity=IDENTITIES, base=st.none() | IDS, length=st.integers(10, 48))
def test_a_name_is_always_one_that_kubernetes_takes(identity: TaskIdentity, base: str | None, length: int) -> None:
    name = trainjob_name(identity, base=base, max_length=length)

    assert RFC_1035.fullmatch(name)
    assert len(name) <= length


@given(one=IDENTITIES, other=IDENTITIES)
def test_two_tries_share_no_name(one: TaskIdentity, other: TaskIdentity) -> None:
    same = trainjob_name(one, base="x") == trainjob_name(other, base="x")

    assert same == (one == other)


def test_ids_that_join_to_the_same_text_are_told_apart() -> None:
    one = TaskIdentity(dag_id="a", run_id="bc", task_id="d", map_index=-1, try_number=1)
    other = TaskIdentity(dag_id="ab", run_id="c", task_id="d", map_index=-1, try_number=1)

    assert trainjob_name(one, base="x") != trainjob_name(other, base="x")


@given(identity=IDENTITIES)
def test_labels_are_valid_whatever_the_ids_hold(identity: TaskIdentity) -> None:
    assert all(LABEL_VALUE.fullmatch(value) and len(value) <= 63 for value in identity.labels().values())


@given(identity=IDENTITIES)
def test_a_try_knows_its_own_trainjob_and_that_of_an_earlier_try(identity: TaskIdentity) -> None:
    mine = {"metadata": {"annotations": {**identity.annotations(), "of": "somebody else"}}}
    later = TaskIdentity(
        dag_id=identity.dag_id,
        run_id=identity.run_id,
        task_id=identity.task_id,
        map_index=identity.map_index,
        try_number=identity.try_number + 1,
    )

    assert (identity.owns(mine), identity.follows(mine)) == (True, False)
    assert (later.owns(mine), later.follows(mine)) == (False, True)
    assert identity.selector(any_try=True) == later.selector(any_try=True)


def test_a_strangers_trainjob_is_nobodys_earlier_try() -> None:
    identity = TaskIdentity(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2)

    assert not identity.follows({"metadata": {"annotations": None}})


@given(text=st.text(max_size=50))
def test_a_folder_name_never_leaves_its_folder(text: str) -> None:
    segment = path_segment(text)

    assert segment not in ("", ".", "..")
    assert re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*", segment)
