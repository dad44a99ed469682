"""The command line, run in this process against the local cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from airflow_kubeflow_trainer.cli.main import main
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.local.cluster import LocalCluster

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with the local cluster as the default one."""
    monkeypatch.setenv("KUBECONFIG", str(local_cluster.kubeconfig))
    # A command sets it for its process, which this one is not.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    def run(*arguments: str) -> Answer:
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


@dataclass
class TrainJobs:
    """TrainJobs that run shell scripts."""

    cluster: LocalCluster
    label: str

    def ask(self, work: Callable[[TrainJobApi], Awaitable[T]]) -> T:
        async def call() -> T:
            async with Client(await from_kubeconfig(self.cluster.kubeconfig)) as client:
                return await work(TrainJobApi(client, namespace="default"))

        return asyncio.run(call())

    def create(
        self,
        script: str,
        *,
        annotations: dict[str, str] | None = None,
        labels: dict[str, str] | None = None,
        **spec: Any,
    ) -> str:
        name = f"c-{uuid4().hex[:8]}"
        trainer = {"command": ["sh", "-c", script], "numProcPerNode": 1, **spec.pop("trainer", {})}
        metadata = {"name": name, "labels": {**(labels or {}), "test": self.label}, "annotations": annotations or {}}
        manifest = {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": metadata,
            "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer, **spec},
        }
        self.ask(lambda api: api.create(manifest))
        return name

    def delete_all(self) -> None:
        async def work(api: TrainJobApi) -> None:
            for trainjob in await api.find(label_selector=f"test={self.label}"):
                await api.delete(trainjob["metadata"]["name"])

        self.ask(work)


@pytest.fixture
def trainjobs(local_cluster: LocalCluster) -> Iterator[TrainJobs]:
    """Make TrainJobs that are gone after the test."""
    made = TrainJobs(local_cluster, uuid4().hex[:12])
    yield made
    made.delete_all()
