"""The three kinds of patch, against the words of their standards."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.api.jsonpatch import json_patch, merge_patch
from airflow_kubeflow_trainer.local.status import StatusError
from airflow_kubeflow_trainer.local.strategic import strategic_merge

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
WITHOUT_NULL = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text(max_size=3), WITHOUT_NULL, max_size=4)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396, ids=lambda value: str(value))
def test_a_merge_patch_does_what_the_appendix_of_rfc_7396_shows(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


def difference(source: Any, target: Any) -> Any:
    """Return the merge patch that leads from one document without nulls to another."""
    if not (isinstance(source, dict) and isinstance(target, dict)):
        return target
    patch = {key: None for key in source if key not in target}
    return patch | {
        key: difference(source.get(key), value) if key in source else value
        for key, value in target.items()
        if key not in source or source[key] != value or type(source[key]) is not type(value)
    }


@given(source=DOCUMENTS, target=DOCUMENTS)
def test_a_merge_patch_leads_from_any_document_to_any_other(source: Any, target: Any) -> None:
    assert merge_patch(source, difference(source, target)) == target


@given(target=JSON, patch=JSON)
def test_a_merge_patch_applied_twice_changes_nothing_more(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


RFC_6902 = [
    pytest.param(
        {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}, id="A.1"
    ),
    pytest.param(
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
        id="A.2-insert",
    ),
    pytest.param({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}, id="A.3-remove"),
    pytest.param(
        {"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}, id="A.4-remove-element"
    ),
    pytest.param({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}, id="A.5-replace"),
    pytest.param(
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        id="A.6-move",
    ),
    pytest.param(
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
        id="A.7-move-element",
    ),
    pytest.param({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}, id="copy"),
    pytest.param(
        {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}, id="A.14-escapes"
    ),
    pytest.param(
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
        id="A.16-append",
    ),
    pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="whole-document"),
]


@pytest.mark.parametrize(("document", "operations", "result"), RFC_6902)
def test_a_json_patch_does_what_the_appendix_of_rfc_6902_shows(document: Any, operations: Any, result: Any) -> None:
    assert json_patch(document, operations) == result


@pytest.mark.parametrize(
    ("operations", "code", "words"),
    [
        pytest.param([{"op": "test", "path": "/a", "value": True}], 422, "testing value /a failed", id="failed-test"),
        pytest.param([{"op": "remove", "path": "/b"}], 422, "missing value", id="missing"),
        pytest.param([{"op": "add", "path": "/l/5", "value": 1}], 422, "invalid index", id="index-too-high"),
        pytest.param([{"op": "add", "path": "/l/01", "value": 1}], 422, "invalid index", id="leading-zero"),
        pytest.param([{"op": "move", "from": "/l", "path": "/l/0"}], 422, "into itself", id="into-itself"),
        pytest.param([{"op": "remove", "path": ""}], 422, "whole document", id="remove-all"),
        pytest.param([{"op": "frob", "path": "/a"}], 400, "unexpected kind: frob", id="unknown-operation"),
        pytest.param([{"op": "add", "path": "a", "value": 1}], 400, "JSON pointer", id="no-pointer"),
        pytest.param([{"op": "add", "path": "/a"}], 400, "needs a value", id="no-value"),
        pytest.param({"op": "add"}, 400, "list of operations", id="no-list"),
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations: Any, code: int, words: str) -> None:
    document = {"a": 1, "l": [0]}
    with pytest.raises(StatusError) as refused:
        json_patch(document, operations)
    assert refused.value.code == code
    assert words in str(refused.value.as_status())
    assert document == {"a": 1, "l": [0]}


POD = {
    "metadata": {"finalizers": ["a", "b"]},
    "spec": {"containers": [{"name": "one", "env": [{"name": "A", "value": "1"}]}, {"name": "two"}]},
    "status": {
        "conditions": [{"type": "Ready", "status": "False", "reason": "X"}],
        "containerStatuses": [{"name": "one"}],
    },
}


@pytest.mark.parametrize(
    ("patch", "where", "expected"),
    [
        pytest.param(
            {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "New", "status": "True"}]}},
            ("status", "conditions"),
            [{"type": "Ready", "status": "True", "reason": "X"}, {"type": "New", "status": "True"}],
            id="conditions-by-type",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "one", "env": [{"name": "B", "value": "2"}]}]}},
            ("spec", "containers"),
            [{"name": "one", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}, {"name": "two"}],
            id="containers-and-env-by-name",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "one", "$patch": "delete"}]}},
            ("spec", "containers"),
            [{"name": "two"}],
            id="delete-an-element",
        ),
        pytest.param(
            {"spec": {"containers": [{"$patch": "replace"}, {"name": "three"}]}},
            ("spec", "containers"),
            [{"name": "three"}],
            id="replace-a-list",
        ),
        pytest.param(
            {
                "spec": {
                    "$setElementOrder/containers": [{"name": "two"}, {"name": "one"}],
                    "containers": [{"name": "two"}],
                }
            },
            ("spec", "containers"),
            [{"name": "two"}, {"name": "one", "env": [{"name": "A", "value": "1"}]}],
            id="order-of-elements",
        ),
        pytest.param({"metadata": {"finalizers": ["c"]}}, ("metadata", "finalizers"), ["c", "a", "b"], id="finalizers"),
        pytest.param(
            {"metadata": {"finalizers": ["b", "c"]}},
            ("metadata", "finalizers"),
            ["a", "b", "c"],
            id="a-known-finalizer",
        ),
        pytest.param(
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            ("metadata", "finalizers"),
            ["b"],
            id="delete-a-value",
        ),
        pytest.param(
            {"status": {"containerStatuses": [{"name": "two"}]}},
            ("status", "containerStatuses"),
            [{"name": "two"}],
            id="other-lists-are-replaced",
        ),
        pytest.param({"status": {"$patch": "replace", "phase": "X"}}, ("status",), {"phase": "X"}, id="replace-a-map"),
    ],
)
def test_a_strategic_merge_patch_merges_lists_by_their_keys(patch: Any, where: tuple[str, ...], expected: Any) -> None:
    found: Any = strategic_merge(POD, patch)
    for key in where:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize(
    ("patched", "order", "expected"),
    [
        pytest.param("d", None, "dabc", id="new"),
        pytest.param("da", None, "dabc", id="new-before-known"),
        pytest.param("ca", None, "bca", id="known-in-another-order"),
        pytest.param("bza", None, "bzac", id="new-among-known"),
        pytest.param("cz", None, "abcz", id="new-after-last"),
        pytest.param("z", "zcab", "zcab", id="whole-order"),
        pytest.param("z", "az", "azbc", id="part-of-the-order"),
        pytest.param("", "cba", "cba", id="order-alone"),
        pytest.param("b", "cb", "acb", id="order-of-two"),
    ],
)
def test_a_strategic_merge_patch_leaves_the_order_that_kube_apiserver_leaves(
    patched: str, order: str | None, expected: str
) -> None:
    pod = {"spec": {"containers": [{"name": name} for name in "abc"]}}
    patch: dict[str, Any] = {"containers": [{"name": name} for name in patched]}
    if order is not None:
        patch["$setElementOrder/containers"] = [{"name": name} for name in order]
    merged = strategic_merge(pod, {"spec": patch})
    assert "".join(container["name"] for container in merged["spec"]["containers"]) == expected


def test_an_element_without_its_merge_key_is_refused() -> None:
    with pytest.raises(StatusError, match="does not contain declared merge key: name"):
        strategic_merge(POD, {"spec": {"containers": [{"image": "x"}]}})
