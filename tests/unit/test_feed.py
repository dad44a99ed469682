"""Feeds whose cluster fails at the first question."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster import patience
from airflow_kubeflow_trainer.cluster.feed import Feeds
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.watch import WatchEvent, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError

WORKLOAD = {
    "metadata": {
        "name": "w",
        "uid": "w",
        "resourceVersion": "1",
        "ownerReferences": [{"kind": "TrainJob", "name": "job"}],
    }
}


class Kueue:
    """A cluster with one Workload, which says so only after some errors."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    async def get(self, path: str, *, params: Any = None) -> dict[str, Any]:
        if self._errors:
            raise self._errors.pop(0)
        if path == "/apis/kueue.x-k8s.io":
            return {"preferredVersion": {"version": "v1beta2"}}
        assert path == "/apis/kueue.x-k8s.io/v1beta2/namespaces/default/workloads"
        return {"items": [WORKLOAD], "metadata": {"resourceVersion": "1"}}

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        await asyncio.Event().wait()
        yield  # type: ignore[misc]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ApiError(500, "InternalError", "etcd is gone"), id="5xx"),
        pytest.param(ApiError(429, "TooManyRequests", "later"), id="429"),
        pytest.param(ClusterUnreachableError("connection refused"), id="no connection"),
    ],
)
async def test_kueue_is_heard_though_the_cluster_fails_when_it_is_first_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(patience, "random", SimpleNamespace(uniform=lambda low, high: 0.01))
    heard: asyncio.Queue[WatchEvent | Exception] = asyncio.Queue()
    feeds = Feeds.of_namespace(TrainJobApi(Kueue(error, error), namespace="default"))  # type: ignore[arg-type]

    with feeds.workloads.subscribe("job", heard.put_nowait):
        async with asyncio.timeout(20):
            first = await heard.get()

    assert isinstance(first, WatchEvent), first
    assert first.type is WatchType.ADDED
