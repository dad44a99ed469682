"""Label and field selectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.api.resources import EVENTS, NODES, PODS, TRAINJOBS, ApiResource
from airflow_kubeflow_trainer.local.api.selectors import field_selector, label_selector
from airflow_kubeflow_trainer.local.status import StatusError

KEYS = st.sampled_from(["a", "app", "x.io/name", "in", "notin"])
VALUES = st.sampled_from(["", "1", "2", "10", "blue", "in"])
SPACE = st.sampled_from(["", " "])
LABELS = st.dictionaries(KEYS, VALUES)


@st.composite
def requirements(draw: st.DrawFn) -> tuple[str, Any]:
    """One requirement, and what it means."""
    key, value, space = draw(KEYS), draw(VALUES), draw(SPACE)
    values = draw(st.lists(VALUES, min_size=1, max_size=3))
    listed = f"({(',' + space).join(values)})"
    number = draw(st.integers(0, 11))
    return draw(
        st.sampled_from(
            [
                (f"{key}{space}={space}{value}", lambda labels: labels.get(key) == value),
                (f"{key}=={value}", lambda labels: labels.get(key) == value),
                (f"{key}{space}!={value}", lambda labels: labels.get(key) != value),
                (f"{key} in {listed}", lambda labels: labels.get(key) in values),
                (f"{key} notin {listed}", lambda labels: labels.get(key) not in values),
                (f"{space}{key}", lambda labels: key in labels),
                (f"!{space}{key}", lambda labels: key not in labels),
                (f"{key}>{number}", lambda labels: labels.get(key, "").isdigit() and int(labels[key]) > number),
                (f"{key}<{number}", lambda labels: labels.get(key, "").isdigit() and int(labels[key]) < number),
            ]
        )
    )


@given(parts=st.lists(requirements(), max_size=4), separator=st.sampled_from([",", ", "]), labels=LABELS)
def test_a_label_selector_means_what_all_of_its_requirements_mean(
    parts: list[tuple[str, Any]], separator: str, labels: dict[str, str]
) -> None:
    selector = separator.join(text for text, _ in parts)
    assert label_selector(selector)(labels) == all(matches(labels) for _, matches in parts)


@pytest.mark.parametrize("selector", ["a=b,", ",a=b", "a in b", "a in (b", "a===b", "a b", "=b", "a>x", "a in (b))"])
def test_what_is_no_label_selector_is_refused(selector: str) -> None:
    with pytest.raises(StatusError, match="unable to parse requirement") as refused:
        label_selector(selector)
    assert refused.value.code == 400


POD = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "local"}, "status": {"phase": "Running"}}
EVENT = {
    "metadata": {"name": "e"},
    "involvedObject": {"kind": "Pod", "name": "a,b=c"},
    "source": {"component": "kubelet"},
    "reportingComponent": "other",
}


@pytest.mark.parametrize(
    ("resource", "obj", "selector", "matches"),
    [
        pytest.param(PODS, POD, "spec.nodeName=local,status.phase!=Failed", True, id="two-terms"),
        pytest.param(PODS, POD, "status.phase==Failed", False, id="double-equals"),
        pytest.param(PODS, POD, "status.podIP=", True, id="absent-is-empty"),
        pytest.param(PODS, POD, "spec.hostNetwork=false", True, id="absent-is-false"),
        pytest.param(NODES, {"spec": {"unschedulable": True}}, "spec.unschedulable=true", True, id="boolean"),
        pytest.param(EVENTS, EVENT, r"involvedObject.name=a\,b\=c", True, id="escapes"),
        pytest.param(EVENTS, EVENT, "source=kubelet", True, id="source"),
        pytest.param(TRAINJOBS, POD, "metadata.name=p,metadata.namespace=n", True, id="custom-resource"),
    ],
)
def test_a_field_selector_compares_fields(resource: ApiResource, obj: Any, selector: str, matches: bool) -> None:
    assert field_selector(selector, resource)(obj) is matches


@pytest.mark.parametrize(
    ("resource", "selector", "words"),
    [
        pytest.param(TRAINJOBS, "status.phase=x", "field label not supported: status.phase", id="not-of-this-resource"),
        pytest.param(PODS, "metadata.name", "invalid selector", id="no-comparison"),
    ],
)
def test_what_is_no_field_selector_is_refused(resource: ApiResource, selector: str, words: str) -> None:
    with pytest.raises(StatusError, match=words) as refused:
        field_selector(selector, resource)
    assert refused.value.code == 400
