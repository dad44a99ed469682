"""The Training tab, as far as it needs no browser: how Airflow finds it, and how it reads what tasks have left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_kubeflow_trainer.operators.rendered import manifest_parts

LOADED = """
import json
from airflow import plugins_manager
ours = [p for p in plugins_manager._get_plugins()[0] if p.name == "kubeflow_trainer"]
views, _ = plugins_manager._get_ui_plugins()
apps, _ = plugins_manager.get_fastapi_plugins()
print(json.dumps([len(ours), sorted(v["destination"] for v in views), [a["url_prefix"] for a in apps]]))
"""


def loaded(home: Path, **settings: str) -> Any:
    env = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", **settings}
    done = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True, check=True)
    assert "already registered" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("lazy", ["True", "False"])
def test_airflow_loads_the_tab_once_for_each_kind_of_page(tmp_path: Path, lazy: str) -> None:
    found = loaded(tmp_path, AIRFLOW__CORE__LAZY_DISCOVER_PROVIDERS=lazy)

    assert found == [1, ["dag_run", "task", "task_instance"], ["/kubeflow-trainer"]]


def test_the_tab_can_be_switched_off(tmp_path: Path) -> None:
    assert loaded(tmp_path, AIRFLOW__KUBEFLOW_TRAINER__TRAINING_TAB="False") == [1, [], []]


def test_a_process_that_serves_no_pages_does_not_pay_for_them() -> None:
    program = (
        "import sys; import airflow_kubeflow_trainer.ui.plugin; "
        "print([m for m in sys.modules if m.startswith(('fastapi', 'airflow.models.taskinstance'))])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("length", [64, 4096], ids=["fields cut short", "fields as Airflow has them"])
def test_the_manifest_that_the_operator_has_shown_in_parts_is_put_together_again(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    from airflow_kubeflow_trainer.ui.records import manifest_of

    manifest = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "llama-abc", "annotations": {"words": "a: b # c\nsecond line\n", "long": "x" * 300}},
        "spec": {
            "runtimeRef": {"name": "torchtune-llama3.2-1b"},
            "suspend": False,
            "trainer": {"args": [f"key{number}=value" for number in range(40)], "numNodes": 2},
            "runtimePatches": [{"manager": "a.b/c"}],
            "note": "plain words",
        },
    }
    monkeypatch.setenv("AIRFLOW__CORE__MAX_TEMPLATED_FIELD_LENGTH", str(length))

    text = manifest_of({"runtime": "torchtune", **manifest_parts(manifest)})

    assert text is not None
    assert yaml.safe_load(text) == manifest


def test_where_airflow_has_kept_no_manifest_there_is_none() -> None:
    from airflow_kubeflow_trainer.ui.records import manifest_of

    assert manifest_of({"runtime": "torchtune"}) is None
