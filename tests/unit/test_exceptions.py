"""What is said of errors, whoever raises them."""

from __future__ import annotations

import pytest

from airflow_kubeflow_trainer.cluster.observing import refusal
from airflow_kubeflow_trainer.exceptions import ConfigError, words_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ConfigError("there is no context 'x'"), "there is no context 'x'", id="one of ours"),
        pytest.param(KeyError("version"), "KeyError: 'version'", id="another's"),
        pytest.param(TimeoutError(), "TimeoutError", id="without words"),
    ],
)
def test_every_error_has_words(error: Exception, words: str) -> None:
    assert words_of(error) == words
    assert str(refusal(error)) == words
