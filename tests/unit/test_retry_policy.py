"""The retry policy of docs/failures.md does with each of our exceptions what the page says of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import RetryAction

from airflow_kubeflow_trainer import exceptions

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"


@pytest.fixture(scope="module")
def policy() -> Any:
    (source,) = re.findall(r"^```python\n(.*?^\)\n)\nwith DAG", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(source, names)
    return names["policy"]


ROWS = re.findall(r"^\| `(\w+)` \|.*\| (\w+)[^|]* \|$", PAGE.read_text(), re.MULTILINE)
ACTIONS = {"yes": RetryAction.RETRY, "no": RetryAction.FAIL, "perhaps": RetryAction.DEFAULT}


@pytest.mark.parametrize(("name", "worth"), ROWS)
def test_what_passes_is_tried_again_and_what_stays_is_not(policy: Any, name: str, worth: str) -> None:
    decision = policy.evaluate(getattr(exceptions, name)("why"), try_number=1, max_tries=3)

    assert decision.action is ACTIONS[worth]
