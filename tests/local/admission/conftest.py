"""Admission as the API server calls it, with Trainer's stock runtimes to refer to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.resources import CLUSTER_TRAINING_RUNTIMES, TRAINJOBS
from airflow_kubeflow_trainer.local.admission import admit
from airflow_kubeflow_trainer.local.controller.runtimes import stock_runtimes
from airflow_kubeflow_trainer.local.status import StatusError


class Admission:
    """Creates and updates TrainJobs and runtimes, without storing anything but runtimes."""

    def __init__(self) -> None:
        self._runtimes: dict[str, dict[str, Any]] = {}
        for runtime in stock_runtimes():
            self.install(runtime)

    def install(self, runtime: dict[str, Any]) -> None:
        self._runtimes[runtime["metadata"]["name"]] = self.create(runtime)[0]

    def create(self, obj: dict[str, Any], *, field_validation: str = "Strict") -> tuple[dict[str, Any], list[str]]:
        return self._admit("CREATE", obj, None, field_validation)

    def update(self, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return self._admit("UPDATE", new, old, "Strict")[0]

    def refusal(self, obj: dict[str, Any], *, old: dict[str, Any] | None = None) -> StatusError:
        with pytest.raises(StatusError) as refused:
            self._admit("UPDATE" if old else "CREATE", obj, old, "Strict")
        return refused.value

    def _admit(
        self, operation: Any, obj: dict[str, Any], old: dict[str, Any] | None, field_validation: str
    ) -> tuple[dict[str, Any], list[str]]:
        resource = CLUSTER_TRAINING_RUNTIMES if obj["kind"] == "ClusterTrainingRuntime" else TRAINJOBS
        return admit(
            operation=operation,
            resource=resource,
            obj=obj,
            old=old,
            lookup=lambda plural, _, name: self._runtimes.get(name) if plural == "clustertrainingruntimes" else None,
            field_validation=field_validation,
        )


@pytest.fixture(scope="session")
def admission() -> Admission:
    return Admission()


@pytest.fixture(scope="session")
def trainjob() -> Callable[..., dict[str, Any]]:
    """Makes a TrainJob; its runtime is torch-distributed unless said otherwise."""

    def make(name: str = "x", *, runtime: str = "torch-distributed", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"runtimeRef": {"name": runtime}, **spec},
        }

    return make
