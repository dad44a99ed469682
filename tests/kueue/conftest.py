"""A real Kueue on the real control plane, with this machine as its node, once for all tests here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from tests.airflow.administration import NAMESPACE
from tests.control_plane.access import documented_token
from tests.control_plane.node import kubelet
from tests.kueue.plane import KueuePlane
from tests.kueue.queues import Queue, create

PRIORITIES = {"background": 1, "urgent": 1000}


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KueuePlane]:
    """With more GPUs on its node than any queue has quota for."""
    with KueuePlane(tmp_path_factory.mktemp("control-plane")) as plane:
        for name, value in PRIORITIES.items():
            create(plane, "WorkloadPriorityClass", name, value=value)
        with kubelet(plane, tmp_path_factory.mktemp("node"), "--capacity", "nvidia.com/gpu=8"):
            yield plane


@pytest.fixture(scope="session")
def token(plane: KueuePlane) -> str:
    """That of a service account which may do what the documentation says, and nothing else."""
    return documented_token(plane, NAMESPACE)


@pytest.fixture(autouse=True)
def connection(plane: KueuePlane, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection "kueue"."""
    extra = {"kube_config": plane.kubeconfig_for(token), "namespace": NAMESPACE}
    monkeypatch.setenv("AIRFLOW_CONN_KUEUE", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.fixture
def queue(plane: KueuePlane) -> Callable[[int], Queue]:
    """Makes a queue with so many GPUs."""
    return lambda gpus: Queue(plane, f"q-{uuid4().hex[:8]}", gpus=gpus)
