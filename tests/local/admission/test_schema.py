"""Schema and CEL: 422, with one cause for each field."""

from __future__ import annotations

import contextlib
import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.admission import cel, custom_resource, structural
from airflow_kubeflow_trainer.local.status import StatusError

UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the"
    " existing errors to complete validation"
)
PLURALS = ("trainjobs", "trainingruntimes", "clustertrainingruntimes")


def rules(schema):
    for rule in schema.get("x-kubernetes-validations", []):
        yield rule["rule"]
    children = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for child in children:
        if isinstance(child, dict):
            yield from rules(child)


@pytest.mark.parametrize("plural", PLURALS)
def test_every_cel_rule_of_the_schemas_is_known(plural):
    schema = custom_resource(plural)["versions"][0]["schema"]["openAPIV3Schema"]
    unknown = {rule for rule in rules(schema) if rule != cel.IMMUTABLE} - cel.RULES.keys()
    assert not unknown


@pytest.mark.parametrize("plural", PLURALS)
def test_schemas_are_shipped_without_descriptions(plural):
    text = (resources.files("airflow_kubeflow_trainer.local") / "schemas" / f"{plural}.json").read_text()
    found = []
    json.loads(text, object_hook=lambda node: found.append(node.get("description")))
    assert not [text for text in found if isinstance(text, str)]


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        pytest.param(
            {"activeDeadlineSeconds": 0},
            [
                (
                    "spec.activeDeadlineSeconds: Invalid value: 0: spec.activeDeadlineSeconds in body should be greater"
                    " than or equal to 1"
                )
            ],
            id="too small",
        ),
        pytest.param(
            {"managedBy": "me"},
            [
                (
                    'spec.managedBy: Invalid value: "me": ManagedBy must be trainer.kubeflow.org/trainjob-controller or'
                    " kueue.x-k8s.io/multikueue if set"
                )
            ],
            id="managed by nobody known",
        ),
        pytest.param(
            {"trainer": {"args": ["a"] * 129}},
            ["spec.trainer.args: Too many: 129: must have at most 128 items", UNCHECKED],
            id="too many arguments",
        ),
        pytest.param(
            {"trainer": {"args": ["a" * (2**20 + 1)]}},
            ["spec.trainer.args[0]: Too long: may not be more than 1048576 bytes", UNCHECKED],
            id="argument too long",
        ),
        pytest.param(
            {"trainer": {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}},
            ['spec.trainer.env[1]: Duplicate value: {"name":"A"}'],
            id="the same variable twice",
        ),
        pytest.param(
            {"trainer": {"env": [{"value": "1"}]}},
            ["spec.trainer.env[0].name: Required value", UNCHECKED],
            id="a variable without a name",
        ),
        pytest.param(
            {"initializer": {"dataset": {"storageUri": "data"}}},
            [
                (
                    'spec.initializer.dataset.storageUri: Invalid value: "data": storageUri may be empty, or it must be'
                    " a valid URI (scheme://...)"
                )
            ],
            id="no URI",
        ),
        pytest.param(
            {"runtimeRef": {}}, ["spec.runtimeRef.name: Required value", UNCHECKED], id="a runtime without a name"
        ),
    ],
)
def test_a_field_out_of_bounds_is_invalid(admission, trainjob, spec, errors):
    refusal = admission.refusal({**trainjob(), "spec": {"runtimeRef": {"name": "torch-distributed"}, **spec}})
    assert (refusal.code, refusal.reason) == (422, "Invalid")
    joined = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    assert refusal.message == f'TrainJob.trainer.kubeflow.org "x" is invalid: {joined}'
    assert [f"{cause['field']}: {cause['message']}" for cause in refusal.causes] == errors
    assert refusal.details == {"name": "x", "group": "trainer.kubeflow.org", "kind": "TrainJob"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("1abc", "metadata.name must match RFC 1035 DNS label format", id="begins with a digit"),
        pytest.param("a.b", "metadata.name must match RFC 1035 DNS label format", id="has a dot"),
        pytest.param("a" * 64, "metadata.name must be no more than 63 characters", id="too long"),
    ],
)
def test_a_name_must_be_a_label(admission, trainjob, name, words):
    refusal = admission.refusal(trainjob(name))
    assert refusal.message == f'TrainJob.trainer.kubeflow.org "{name}" is invalid: <nil>: Invalid value: {words}'


def test_a_name_of_63_characters_is_admitted_though_no_pod_can_bear_it(admission, trainjob):
    assert admission.create(trainjob("a" * 63))


def test_labels_must_be_labels(admission, trainjob):
    refusal = admission.refusal({**trainjob(), "metadata": {"name": "x", "labels": {"ok": "not ok!"}}})
    assert refusal.message.startswith(
        'TrainJob.trainer.kubeflow.org "x" is invalid: metadata.labels: Invalid value: "not ok!": a valid label must'
    )


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        pytest.param(
            {"trainer": {"image": "a"}}, {"trainer": {"image": "b"}}, "spec.trainer: Invalid value", id="trainer"
        ),
        pytest.param(
            {"activeDeadlineSeconds": 4},
            {"activeDeadlineSeconds": 5},
            "spec.activeDeadlineSeconds: Invalid value: 5",
            id="deadline",
        ),
        pytest.param(
            {"managedBy": "trainer.kubeflow.org/trainjob-controller"},
            {"managedBy": "kueue.x-k8s.io/multikueue"},
            'spec.managedBy: Invalid value: "kueue.x-k8s.io/multikueue"',
            id="manager",
        ),
    ],
)
def test_what_trains_cannot_be_changed(admission, trainjob, before, after, problem):
    old, _ = admission.create(trainjob(**before))
    refusal = admission.refusal(trainjob(**after), old=old)
    assert refusal.code == 422
    assert refusal.message == f'TrainJob.trainer.kubeflow.org "x" is invalid: {problem}: field is immutable'


def test_suspend_can_be_changed_at_any_time(admission, trainjob):
    old, _ = admission.create(trainjob())
    assert admission.update(old, trainjob(suspend=True))["spec"]["suspend"] is True


SCHEMA = custom_resource("trainjobs")["versions"][0]["schema"]["openAPIV3Schema"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "trainer", "env", "value", "runtimeRef", "command", "numNodes", "initializer"])
            | st.text(max_size=4),
            children,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(spec=JSON)
def test_whatever_a_spec_holds_pruning_leaves_only_what_the_schema_knows(spec):
    obj = {"apiVersion": "a", "kind": "b", "metadata": {}, "spec": spec}
    structural.prune(obj, SCHEMA)
    assert structural.prune(obj, SCHEMA) == []


@given(spec=JSON)
def test_whatever_a_spec_holds_it_is_admitted_or_refused_and_nothing_else(admission, trainjob, spec):
    obj = {**trainjob(), "spec": spec}
    with contextlib.suppress(StatusError):
        stored, _ = admission.create(obj, field_validation="Ignore")
        assert admission.create(stored)[0] == stored
