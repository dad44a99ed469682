"""What a log request may ask, both API servers say alike, before they look for the pod."""

from __future__ import annotations

import pytest

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.exceptions import ApiError

LOG = "/api/v1/namespaces/default/pods/no-such-pod/log"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"tailLines": "-1"},
        {"tailLines": "0"},
        {"tailLines": "two"},
        {"tailLines": "99999999999999999999"},
        {"limitBytes": "0"},
        {"limitBytes": "-5", "tailLines": "-1"},
        {"sinceSeconds": "0"},
        {"sinceTime": "yesterday"},
        {"sinceTime": "2026-01-01T00:00:00Z", "sinceSeconds": "5"},
        {"follow": "perhaps"},
    ],
    ids=str,
)
async def test_log_options_are_answered_alike(both: tuple[Client, Client], query: dict[str, str]) -> None:
    real, ours = [await answer(client, query) for client in both]

    assert ours == real


async def answer(client: Client, query: dict[str, str]) -> tuple[int, str, str]:
    with pytest.raises(ApiError) as raised:
        async with client.stream(LOG, params=query):
            pass
    return raised.value.status, raised.value.reason, raised.value.message
