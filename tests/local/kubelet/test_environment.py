"""Environment, command and arguments resolve as in Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.kubelet.environment import (
    ConfigSource,
    ContainerConfigError,
    resolve_environment,
)
from airflow_kubeflow_trainer.local.kubelet.expansion import expand

POD = {
    "metadata": {
        "name": "job-node-0-1-abcde",
        "namespace": "ml",
        "uid": "u-1",
        "labels": {"jobset.sigs.k8s.io/job-index": "0", "batch.kubernetes.io/job-completion-index": "1"},
        "annotations": {"batch.kubernetes.io/job-completion-index": "1", "empty": ""},
    },
    "spec": {"nodeName": "local", "serviceAccountName": "trainer", "containers": []},
}
SECRETS: dict[str, dict[str, bytes]] = {"hf": {"TOKEN": b"abc", "token": b"lower"}}
CONFIG_MAPS: dict[str, dict[str, bytes]] = {"settings": {"LEVEL": b"debug", "TOKEN": b"of-the-map"}}


async def _secret(name: str) -> Mapping[str, bytes] | None:
    return SECRETS.get(name)


async def _config_map(name: str) -> Mapping[str, bytes] | None:
    return CONFIG_MAPS.get(name)


async def _token(pod: Any, wanted: Mapping[str, Any]) -> bytes:
    raise AssertionError("no volume, no token")


async def resolved(container: dict[str, Any]) -> dict[str, str]:
    source = ConfigSource(secret=_secret, config_map=_config_map, token=_token)
    return await resolve_environment(POD, container, source, allocatable={"cpu": "8", "memory": "1Gi"})


def field(path: str) -> dict[str, Any]:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


def key(kind: str, name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    return {"valueFrom": {kind: {"name": name, "key": key, "optional": optional}}}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        pytest.param({"value": "plain"}, "plain", id="literal"),
        pytest.param({}, "", id="no-value-is-empty"),
        pytest.param({"value": "$(BEFORE)/x"}, "first/x", id="refers-to-one-before"),
        pytest.param({"value": "$(AFTER)"}, "$(AFTER)", id="one-after-stays"),
        pytest.param({"value": "$$(BEFORE)"}, "$(BEFORE)", id="escaped"),
        pytest.param({"value": "$(LEVEL)"}, "debug", id="refers-to-env-from"),
        pytest.param(field("metadata.name"), "job-node-0-1-abcde", id="name"),
        pytest.param(field("metadata.namespace"), "ml", id="namespace"),
        pytest.param(field("metadata.uid"), "u-1", id="uid"),
        pytest.param(field("metadata.labels['jobset.sigs.k8s.io/job-index']"), "0", id="label"),
        pytest.param(field("metadata.annotations['batch.kubernetes.io/job-completion-index']"), "1", id="annotation"),
        pytest.param(field("metadata.labels['none']"), "", id="missing-label-is-empty"),
        pytest.param(field("status.podIP"), "127.0.0.1", id="pod-ip"),
        pytest.param(field("spec.nodeName"), "local", id="node-name"),
        pytest.param(field("spec.serviceAccountName"), "trainer", id="service-account"),
        pytest.param(
            {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, "2", id="cpu-limit-is-rounded-up"
        ),
        pytest.param(
            {"valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            "1024",
            id="missing-limit-is-the-nodes",
        ),
        pytest.param(key("secretKeyRef", "hf", "token"), "lower", id="secret"),
        pytest.param(key("configMapKeyRef", "settings", "LEVEL"), "debug", id="config-map"),
        pytest.param(key("secretKeyRef", "none", "x", optional=True), None, id="optional-secret"),
        pytest.param(key("configMapKeyRef", "settings", "x", optional=True), None, id="optional-key"),
    ],
)
async def test_a_variable_resolves(variable: dict[str, Any], expected: str | None) -> None:
    container = {
        "resources": {"limits": {"cpu": "1500m"}},
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [{"name": "BEFORE", "value": "first"}, {"name": "X", **variable}, {"name": "AFTER", "value": "late"}],
    }
    assert (await resolved(container)).get("X") == expected


async def test_later_sources_win_and_prefixes_are_put_before() -> None:
    container = {
        "envFrom": [
            {"configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "hf"}},
            {"secretRef": {"name": "hf"}, "prefix": "HF_"},
            {"secretRef": {"name": "none", "optional": True}},
        ],
        "env": [{"name": "LEVEL", "value": "$(LEVEL)-own"}],
    }
    variables = await resolved(container)
    assert variables["TOKEN"] == "abc"
    assert variables["HF_TOKEN"] == "abc"
    assert variables["LEVEL"] == "debug-own"


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param({"env": [{"name": "X", **key("secretKeyRef", "x", "y")}]}, 'secret "x" not found', id="secret"),
        pytest.param(
            {"env": [{"name": "X", **key("secretKeyRef", "hf", "y")}]},
            "couldn't find key y in Secret ml/hf",
            id="secret-key",
        ),
        pytest.param(
            {"env": [{"name": "X", **key("configMapKeyRef", "x", "y")}]}, 'configmap "x" not found', id="config-map"
        ),
        pytest.param(
            {"env": [{"name": "X", **key("configMapKeyRef", "settings", "y")}]},
            "couldn't find key y in ConfigMap ml/settings",
            id="config-map-key",
        ),
        pytest.param({"envFrom": [{"secretRef": {"name": "x"}}]}, 'secret "x" not found', id="env-from"),
    ],
)
async def test_what_is_missing_is_named_in_the_kubelets_words(container: dict[str, Any], message: str) -> None:
    with pytest.raises(ContainerConfigError) as raised:
        await resolved(container)
    assert str(raised.value) == message


def _expand_as_kubernetes_does(text: str, variables: Mapping[str, str]) -> str:
    """k8s.io/kubernetes/third_party/forked/golang/expansion, character by character."""
    result, cursor = "", 0
    while cursor < len(text):
        if text[cursor] != "$" or cursor + 1 == len(text):
            result, cursor = result + text[cursor], cursor + 1
        elif text[cursor + 1] == "$":
            result, cursor = result + "$", cursor + 2
        elif text[cursor + 1] == "(":
            end = text.find(")", cursor + 2)
            if end < 0:
                result, cursor = result + "$(", cursor + 2
            else:
                name = text[cursor + 2 : end]
                result, cursor = result + variables.get(name, f"$({name})"), end + 1
        else:
            result, cursor = result + text[cursor : cursor + 2], cursor + 2
    return result


@given(
    st.text(st.sampled_from("$()AB x\n")),
    st.dictionaries(st.sampled_from(["A", "B", "", "$(A", "A B"]), st.sampled_from(["", "$$", "$(A)", "v"])),
)
@example("$$$(A)$($(B))$(", {"A": "1", "B": "2"})
def test_references_expand_as_in_kubernetes(text: str, variables: dict[str, str]) -> None:
    assert expand(text, variables) == _expand_as_kubernetes_does(text, variables)
