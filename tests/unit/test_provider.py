"""What Airflow makes of this package as a provider."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

from airflow_kubeflow_trainer.provider_info import get_provider_info

PACKAGE = "airflow-kubeflow-trainer"


def test_the_provider_info_is_what_airflows_own_schema_wants() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())

    jsonschema.Draft7Validator(schema).validate(get_provider_info())


def test_airflow_lists_the_provider_with_its_version() -> None:
    provider = ProvidersManager().providers[PACKAGE]

    assert provider.data["name"] == "Kubeflow Trainer"
    assert provider.version == importlib.metadata.version(PACKAGE)


def test_a_kubernetes_connection_is_still_that_of_the_cncf_provider() -> None:
    hook = ProvidersManagerTaskRuntime().hooks["kubernetes"]

    assert hook is not None
    assert hook.package_name == "apache-airflow-providers-cncf-kubernetes"
    assert hook.hook_class_name == "airflow.providers.cncf.kubernetes.hooks.kubernetes.KubernetesHook"


def test_the_provider_declares_no_connection_type() -> None:
    assert not {"connection-types", "hook-class-names"} & get_provider_info().keys()


@pytest.mark.parametrize("kind", ["operators", "sensors", "hooks", "triggers"])
def test_the_modules_that_are_named_can_be_imported_and_hold_what_they_say(kind: str) -> None:
    bases: dict[str, str] = {"operators": "Operator", "sensors": "Sensor", "hooks": "Hook", "triggers": "Trigger"}
    for entry in get_provider_info()[kind]:
        for name in entry["python-modules"]:
            module: Any = importlib.import_module(name)
            assert any(attribute.endswith(bases[kind]) for attribute in vars(module)), name
