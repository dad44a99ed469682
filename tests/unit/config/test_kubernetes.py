"""Kubernetes' own objects in a patch: what is no text there arrives as what it is."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kubeflow_trainer.config import ContainerPatch, PodSpecPatch
from airflow_kubeflow_trainer.config.base import ConfigModel
from airflow_kubeflow_trainer.config.template import from_template
from airflow_kubeflow_trainer.exceptions import ConfigError


def test_text_of_a_template_becomes_what_kubernetes_wants() -> None:
    rendered = {
        "securityContext": {"runAsUser": "1000", "supplementalGroups": ["1", "2"], "runAsNonRoot": "True"},
        "tolerations": [{"key": "5", "tolerationSeconds": "0"}],
    }

    patch = from_template(PodSpecPatch, rendered, field="patch")

    assert patch is not None
    assert patch.wire() == {
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [1, 2], "runAsNonRoot": True},
        "tolerations": [{"key": "5", "tolerationSeconds": 0}],
    }


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param(
            {"security_context": {"runAsUser": "root"}},
            r"security_context\.runAsUser: must be an integer, not 'root'",
            id="a name for a number",
        ),
        pytest.param(
            {"volumes": [{"name": "a", "secret": {"optional": "yes"}}]},
            r"volumes\.0\.secret\.optional: must be true or false, not 'yes'",
            id="a word for a truth value",
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "operater": "Exists"}]},
            r"tolerations\.0\.operater: there is no such field; did you mean 'operator'\?",
            id="a misspelt field",
        ),
        pytest.param(
            {"volumes": [{"name": "a", "persistentVolumeClaim": {"claim": "b"}}]},
            r"persistentVolumeClaim\.claim: there is no such field; did you mean 'claimName'\?",
            id="a misspelt field further down",
        ),
        pytest.param({"volumes": [{"emptyDir": {}}]}, r"volumes\.0\.name: is missing", id="a volume without a name"),
        pytest.param(
            {"affinity": {"nodeAffinity": []}}, r"affinity\.nodeAffinity: must be a dict, not \[\]", id="a list"
        ),
        pytest.param(
            {"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "much"}}]},
            r"sizeLimit: 'much' is no quantity",
            id="no quantity",
        ),
        pytest.param(
            {"volumes": [{"name": "a", "secret": {"defaultMode": 2**31}}]},
            "must fit into int32",
            id="a number too large",
        ),
        pytest.param({"image_pull_secrets": [{"name": 5}]}, r"name: must be text, not 5", id="a number for text"),
        pytest.param(
            {"volumes": [{"name": "a"}, {"name": "a", "emptyDir": {}}]}, "name 'a' is given twice", id="a volume twice"
        ),
    ],
)
def test_what_trainer_would_refuse_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PodSpecPatch(**spec)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(PodSpecPatch, {"volumes": "{{ params.volumes }}"}, id="all of them"),
        pytest.param(PodSpecPatch, {"volumes": [{"name": "{{ ds }}", "emptyDir": "{{ params.how }}"}]}, id="parts"),
        pytest.param(
            ContainerPatch, {"name": "x", "volume_mounts": [{"name": "a", "mountPath": "{{ ds }}"}]}, id="text"
        ),
    ],
)
def test_templates_are_left_alone_until_they_are_rendered(model: type[ConfigModel], data: dict[str, Any]) -> None:
    assert model(**data).plain() == data


def test_what_is_none_is_left_out() -> None:
    assert PodSpecPatch(tolerations=[{"key": "a", "value": None}]).wire() == {"tolerations": [{"key": "a"}]}
