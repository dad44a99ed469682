"""What is refused before any rule is looked at: unknown fields and wrong types."""

from __future__ import annotations

import copy

import pytest

WEBHOOK = 'admission webhook "defaulter.trainjob.trainer.kubeflow.org" denied the request: '
STRICT = 'TrainJob in version "v1alpha1" cannot be handled as a TrainJob: strict decoding error: '


def test_unknown_fields_are_refused_by_name_under_strict_validation(admission, trainjob):
    refusal = admission.refusal(trainjob(foo=1, trainer={"numNode": 2}))
    assert (refusal.code, refusal.reason) == (400, "BadRequest")
    assert refusal.message == STRICT + 'unknown field "spec.foo", unknown field "spec.trainer.numNode"'


def test_what_a_runtime_patch_cannot_carry_is_an_unknown_field(admission, trainjob):
    container = {"name": "node", "image": "mine"}
    job = {"name": "node", "template": {"spec": {"template": {"spec": {"containers": [container]}}}}}
    patch = {"manager": "a.b/c", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}
    refusal = admission.refusal(trainjob(runtimePatches=[patch]))
    path = "spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec"
    assert refusal.message == STRICT + f'unknown field "{path}.containers[0].image"'


def test_unknown_fields_are_dropped_with_a_warning_under_warn(admission, trainjob):
    stored, warnings = admission.create(trainjob(foo=1), field_validation="Warn")
    assert "foo" not in stored["spec"]
    assert warnings == ['unknown field "spec.foo"']


def test_unknown_fields_are_dropped_in_silence_under_ignore(admission, trainjob):
    stored, warnings = admission.create(trainjob(foo=1), field_validation="Ignore")
    assert "foo" not in stored["spec"]
    assert warnings == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            {"trainer": {"numNodes": "two"}},
            "json: cannot unmarshal string into Go struct field Trainer.spec.trainer.numNodes of type int32",
            id="string for a number",
        ),
        pytest.param(
            {"trainer": {"numNodes": 1.5}},
            "json: cannot unmarshal number 1.5 into Go struct field Trainer.spec.trainer.numNodes of type int32",
            id="fraction for a whole number",
        ),
        pytest.param(
            {"trainer": {"numNodes": 2**31}},
            "json: cannot unmarshal number 2147483648 into Go struct field Trainer.spec.trainer.numNodes of type int32",
            id="number too large",
        ),
        pytest.param(
            {"trainer": {"command": "tune run"}},
            "json: cannot unmarshal string into Go struct field Trainer.spec.trainer.command of type []string",
            id="string for a list",
        ),
        pytest.param(
            {"trainer": []},
            "json: cannot unmarshal array into Go struct field TrainJobSpec.spec.trainer of type v1alpha1.Trainer",
            id="list for an object",
        ),
        pytest.param(
            {"trainer": {"env": [{"name": "A", "value": 1}]}},
            "json: cannot unmarshal number into Go struct field EnvVar.spec.trainer.env.value of type string",
            id="number for a variable's value",
        ),
        pytest.param(
            {"suspend": "yes"},
            "json: cannot unmarshal string into Go struct field TrainJobSpec.spec.suspend of type bool",
            id="string for a boolean",
        ),
        pytest.param(
            {"trainer": {"resourcesPerNode": {"limits": {"cpu": "many"}}}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            id="no quantity",
        ),
    ],
)
def test_a_wrong_type_is_refused_in_the_words_of_gos_decoder(admission, trainjob, spec, words):
    refusal = admission.refusal(trainjob(**spec))
    # Kubernetes leaves the reason of this answer empty.
    assert (refusal.code, refusal.reason, refusal.message) == (400, "", WEBHOOK + words)


def test_defaults_are_filled_in_and_nulls_are_dropped(admission, trainjob):
    stored, _ = admission.create(trainjob(trainer=None))
    assert stored["spec"] == {
        "managedBy": "trainer.kubeflow.org/trainjob-controller",
        "runtimeRef": {
            "apiGroup": "trainer.kubeflow.org",
            "kind": "ClusterTrainingRuntime",
            "name": "torch-distributed",
        },
        "suspend": False,
    }


def test_the_object_of_the_request_is_left_as_it_is(admission, trainjob):
    given = trainjob()
    before = copy.deepcopy(given)
    admission.create(given)
    assert given == before
