"""docs/failures.md says what is so."""

from __future__ import annotations

import re
from typing import Any

import pytest
from diagnosis import page

from airflow_kubeflow_trainer import exceptions
from airflow_kubeflow_trainer.trainjob.diagnosis import Cause


def test_the_page_lists_the_causes_that_there_are() -> None:
    assert page.PAGE.read_text().partition(page.MARK)[2] == page.tables(), "run: python tests/unit/diagnosis/page.py"


def test_the_page_names_every_class_that_a_task_may_fail_with() -> None:
    words = page.PAGE.read_text()

    assert [cause for cause in Cause if f"| `{cause.exception.__name__}` |" not in words] == []


@pytest.fixture(scope="module")
def policy() -> Any:
    [snippet] = re.findall(r"^```python\n(.*?)^```", page.PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    return names["policy"]


@pytest.mark.parametrize(
    ("error", "action"),
    [
        pytest.param(exceptions.InfrastructureError("x"), "RETRY", id="a lost node"),
        pytest.param(exceptions.TrainJobNotStartedError("x"), "RETRY", id="no room in the cluster"),
        pytest.param(exceptions.ClusterUnreachableError("x"), "RETRY", id="no answer"),
        pytest.param(exceptions.UserCodeError("x"), "FAIL", id="the training's own error"),
        pytest.param(exceptions.OutOfMemoryError("x"), "FAIL", id="too little memory"),
        pytest.param(exceptions.InitializerError("x"), "FAIL", id="a wrong token"),
        pytest.param(exceptions.ConfigError("x"), "FAIL", id="a wrong field"),
        pytest.param(exceptions.TrainJobFailedError("x"), "DEFAULT", id="nobody knows"),
    ],
)
def test_the_retry_policy_of_the_page_tries_again_what_passes_by_itself(
    policy: Any, error: Exception, action: str
) -> None:
    assert policy.evaluate(error, try_number=1, max_tries=3).action.name == action
