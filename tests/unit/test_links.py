"""How the links' addresses are made."""

from __future__ import annotations

import copy
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.configuration import conf

from airflow_kubeflow_trainer.links import settings
from airflow_kubeflow_trainer.links.outside import FIELDS, OUTSIDE_LINKS, fill
from airflow_kubeflow_trainer.links.training import TrainingLink
from airflow_kubeflow_trainer.provider_info import get_provider_info

[GRAFANA] = [link for link in OUTSIDE_LINKS if link.name == "Grafana"]
VALUES = {"name": "llama-1", "namespace": "ml", "queue_name": None, "run_id": "manual__2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("template", "address"),
    [
        pytest.param("https://x/{namespace}/{name}", "https://x/ml/llama-1", id="names"),
        pytest.param("https://x/?r={run_id}", "https://x/?r=manual__2026-01-01T00%3A00%3A00%2B00%3A00", id="quoted"),
        pytest.param('https://x/?q={"a":"{name}"}&{}', 'https://x/?q={"a":"llama-1"}&{}', id="other braces"),
        pytest.param("https://x/{queue_name}", "", id="what the task does not have"),
        pytest.param("https://x/", "https://x/", id="nothing to fill in"),
    ],
)
def test_a_template_is_filled_in(template: str, address: str) -> None:
    assert fill(template, VALUES) == address


def test_an_unknown_name_in_a_template_is_told_and_gives_no_link(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__KUBEFLOW_TRAINER__GRAFANA_URL", "https://x/{nmae}")

    with caplog.at_level(logging.WARNING):
        assert GRAFANA.get_link(None, ti_key=None) == ""

    assert "[kubeflow_trainer] grafana_url: there is no {nmae}; there are: {name}, {namespace}" in caplog.text


def test_a_lone_percent_sign_in_a_file_is_told_and_gives_no_link(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(conf, "_sections", copy.deepcopy(conf._sections))
    conf.read_string("[kubeflow_trainer]\ngrafana_url = https://x/?q=a%20b\n")

    with caplog.at_level(logging.WARNING):
        assert GRAFANA.get_link(None, ti_key=None) == ""

    assert "[kubeflow_trainer] grafana_url: in a file, a % is written %%" in caplog.text


def test_in_a_variable_of_the_environment_a_percent_sign_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KUBEFLOW_TRAINER__GRAFANA_URL", "https://x/?q=a%20b")

    assert settings.address("grafana_url") == "https://x/?q=a%20b"


def task_instance(**fields: Any) -> Any:
    return SimpleNamespace(**{"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, **fields})


@pytest.mark.parametrize(
    ("base", "fields", "address"),
    [
        pytest.param("", {}, "dags/d/runs/r/tasks/t/plugin/trainjob", id="relative"),
        pytest.param("http://a/airflow", {}, "http://a/airflow/dags/d/runs/r/tasks/t/plugin/trainjob", id="absolute"),
        pytest.param(
            "http://a/",
            {"run_id": "a/b+c", "map_index": 3},
            "http://a/dags/d/runs/a%2Fb%2Bc/tasks/t/mapped/3/plugin/trainjob",
            id="mapped",
        ),
    ],
)
def test_the_training_tab_has_an_address(
    monkeypatch: pytest.MonkeyPatch, base: str, fields: dict[str, Any], address: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)

    assert TrainingLink().get_link(None, ti_key=task_instance(**fields)) == address


def test_there_is_no_link_to_a_tab_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KUBEFLOW_TRAINER__TRAINING_TAB", "False")

    assert TrainingLink().get_link(None, ti_key=task_instance()) == ""


def test_airflow_knows_every_link_and_its_option() -> None:
    info = get_provider_info()
    classes = {f"{type(link).__module__}.{type(link).__name__}" for link in (TrainingLink(), *OUTSIDE_LINKS)}
    options = info["config"]["kubeflow_trainer"]["options"]

    assert set(info["extra-links"]) == classes
    assert len({link.xcom_key for link in OUTSIDE_LINKS}) == len(OUTSIDE_LINKS)
    assert {link.option for link in OUTSIDE_LINKS} == options.keys() - {"training_tab"}
    assert all(f"{{{field}}}" in options["grafana_url"]["description"] for field in FIELDS)
