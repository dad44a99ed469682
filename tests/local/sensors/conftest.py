"""TrainJobs that somebody else runs on the local cluster, and sensors that wait for them in each of their modes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowRescheduleException, TaskDeferred

from airflow_kubeflow_trainer import KubeflowTrainerHook
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.resources import TRAINING_RUNTIMES
from airflow_kubeflow_trainer.exceptions import ConflictError, NotFoundError, TrainJobFailedError
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from airflow_kubeflow_trainer.sensors.trainjob import TrainJobSensor
from tests.proxy import Proxy, proxy_in_thread

MODES: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
}
GIVES_UP = "gives-up-at-once"
FOR_EVER = "exec sleep 1000"


class SomebodyElse:
    """Runs TrainJobs with a hook of their own."""

    def __init__(self, hook: KubeflowTrainerHook) -> None:
        self.hook = hook
        self.label = f"test-{uuid4().hex[:8]}"

    def submit(self, script: str = "true", *, name: str | None = None, **spec: Any) -> dict[str, Any]:
        name = name or f"s-{uuid4().hex[:8]}"
        manifest = {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": name, "namespace": "default", "labels": {"test": self.label}},
            "spec": {
                "runtimeRef": {"name": GIVES_UP, "kind": "TrainingRuntime"},
                "trainer": {"command": ["sh", "-c", script], "numProcPerNode": 1},
                **spec,
            },
        }
        return self.hook.call(lambda api: api.create(manifest))

    def submit_and_end(self, script: str = "true") -> dict[str, Any]:
        trainjob = self.submit(script)
        with contextlib.suppress(TrainJobFailedError):
            self.hook.wait(trainjob["metadata"]["name"])
        return self.hook.get(trainjob["metadata"]["name"])


class Watching:
    """A sensor at work, as Airflow has it work in its mode."""

    def __init__(self, mode: str, **arguments: Any) -> None:
        self.looked = threading.Event()
        self.triggers: list[Any] = []
        self._mode = mode
        self._arguments = {"poke_interval": 0.1, "timeout": 30} | arguments
        self._store: dict[str, Any] = {}
        ti = SimpleNamespace(
            id=uuid4(), start_date=datetime.now(UTC), get_first_reschedule_date=lambda context: ti.start_date
        )
        store = SimpleNamespace(get=self._store.get, set=self._store.__setitem__)
        self._context: Any = {"ti": ti, "task_state_store": store}
        self._ended: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Any:
        """What the sensor ends with."""
        return self._ended.result(timeout=60)

    def _run(self) -> None:
        try:
            self._ended.set_result(self._work())
        except BaseException as error:  # noqa: BLE001 (the test raises it)
            self._ended.set_exception(error)

    def _work(self) -> Any:
        while True:
            sensor = self._sensor()
            try:
                return sensor.execute(self._context)
            except AirflowRescheduleException:
                continue
            except TaskDeferred as deferred:
                event = asyncio.run(self._event(deferred.trigger))
                return self._sensor().resume_execution(deferred.method_name, {"event": event}, self._context)

    async def _event(self, trigger: Any) -> Any:
        _, kwargs = trigger.serialize()
        again = type(trigger)(**json.loads(json.dumps(kwargs)))
        self.triggers.append(again)
        return json.loads(json.dumps((await anext(again.run())).payload))

    def _sensor(self) -> TrainJobSensor:
        looked = self.looked

        class Sensor(TrainJobSensor):
            def _look(self) -> Any:
                try:
                    return super()._look()
                finally:
                    looked.set()

        with DAG(f"d_{uuid4().hex}"):
            return Sensor(task_id="t", kubernetes_conn_id="watched", **MODES[self._mode], **self._arguments)


@pytest.fixture(autouse=True)
def outside_of_a_task_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.fixture
def proxy(local_cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way that sensors take to the cluster."""
    with proxy_in_thread(asyncio.run(from_kubeconfig(local_cluster.kubeconfig))) as proxy:
        connection = {"conn_type": "kubernetes", "extra": {"kube_config": proxy.kubeconfig()}}
        monkeypatch.setenv("AIRFLOW_CONN_WATCHED", json.dumps(connection))
        yield proxy


@pytest.fixture
def somebody_else(local_cluster: LocalCluster) -> Iterator[SomebodyElse]:
    hook = KubeflowTrainerHook(config_file=str(local_cluster.kubeconfig), namespace="default")
    with contextlib.suppress(ConflictError):
        hook.call(_create_unforgiving_runtime)
    somebody = SomebodyElse(hook)
    yield somebody
    for trainjob in hook.list(label_selector=f"test={somebody.label}"):
        with contextlib.suppress(NotFoundError):
            hook.delete(trainjob["metadata"]["name"])


async def _create_unforgiving_runtime(api: Any) -> Any:
    runtime = await api.get_runtime("torch-distributed")
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    job["template"]["spec"]["backoffLimit"] = 0
    job["template"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    metadata = {"name": GIVES_UP, "namespace": "default", "labels": runtime["metadata"]["labels"]}
    body = {
        "apiVersion": TRAINING_RUNTIMES.api_version,
        "kind": "TrainingRuntime",
        "metadata": metadata,
        "spec": runtime["spec"],
    }
    return await api.client.create(TRAINING_RUNTIMES.path(namespace="default"), body)


@pytest.fixture(params=list(MODES))
def watching(request: pytest.FixtureRequest, proxy: Proxy) -> Callable[..., Watching]:
    """Start a sensor, in each of its modes."""
    return lambda **arguments: Watching(request.param, **arguments)
