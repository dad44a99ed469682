"""Somebody who looks on, unharmed: what is gone by the end was seen all the same."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_kubeflow_trainer.cluster.resources import TRAINJOBS
from airflow_kubeflow_trainer.exceptions import KubeflowTrainerError
from airflow_kubeflow_trainer.trainjob.identity import TaskIdentity
from airflow_kubeflow_trainer.trainjob.phase import phase_of
from tests.airflow.administration import NAMESPACE, Cluster

SECONDS = 1.0
"""Between two looks."""


def two_at_once(trainjobs: Iterable[Mapping[str, Any]]) -> set[str]:
    """Name the tasks that have more than one TrainJob which goes on."""
    alive = defaultdict(list)
    for trainjob in trainjobs:
        identity = TaskIdentity.of(trainjob)
        over = phase_of(trainjob, trainer_job="node").phase.final or "deletionTimestamp" in trainjob["metadata"]
        if identity is not None and not over:
            alive[identity.dag_id, identity.run_id, identity.task_id].append(trainjob["metadata"]["name"])
    return {f"{task}: {sorted(names)}" for task, names in alive.items() if len(names) > 1}


@contextmanager
def witness(cluster: Cluster) -> Iterator[set[str]]:
    """Look every second, until the end, and give what :func:`two_at_once` has found so far."""
    found: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(SECONDS):
            try:
                found.update(two_at_once(cluster.call("get", TRAINJOBS.path(namespace=NAMESPACE))["items"]))
            except KubeflowTrainerError:
                # The cluster's machine is away.
                continue

    thread = threading.Thread(target=look, name="witness")
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
