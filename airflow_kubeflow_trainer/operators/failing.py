"""Failures for which Airflow is not to try again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_kubeflow_trainer.exceptions import ConfigError


@contextmanager
def failing_for_good() -> Iterator[None]:
    """Make of a field that is wrong a failure that ends the task whatever its ``retries``: it would be refused again.

    The error stays a :class:`ConfigError` of the same name; Airflow knows it by ``AirflowFailException``.
    """
    try:
        yield
    except ConfigError as error:
        from airflow.providers.common.compat.sdk import AirflowFailException

        kind = type(error)
        raise type(kind.__name__, (kind, AirflowFailException), {})(*error.args) from error.__cause__
