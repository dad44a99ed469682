"""A Kueue that may not be heard, or is not there, costs words only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook
from tests.airflow.administration import NAMESPACE
from tests.control_plane.access import CLUSTER_ROLE, ROLE, documented_token, service_account_token
from tests.control_plane.node import kubelet
from tests.control_plane.plane import ControlPlane
from tests.kueue.plane import KueuePlane
from tests.kueue.queues import Queue
from tests.kueue.trainings import RUNS, end_training, train

MakeQueue = Callable[[int], Queue]


def connect(monkeypatch: pytest.MonkeyPatch, plane: ControlPlane, token: str) -> None:
    """Have a connection "deaf"."""
    extra = {"kube_config": plane.kubeconfig_for(token), "namespace": NAMESPACE}
    monkeypatch.setenv("AIRFLOW_CONN_DEAF", json.dumps({"conn_type": "kubernetes", "extra": extra}))


def test_who_may_not_see_the_workloads_waits_is_admitted_and_ends_well(
    plane: KueuePlane, queue: MakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [rule for rule in ROLE if "workloads" not in rule["resources"]]
    assert len(rules) == len(ROLE) - 1
    token = service_account_token(plane, NAMESPACE, rules, cluster_rules=CLUSTER_ROLE, name="deaf")
    connect(monkeypatch, plane, token)
    closed = queue(0)

    waits = train(closed.name, kubernetes_conn_id="deaf", startup_timeout=60)

    waits.until_told(": Queued", 'cannot list resource "workloads"')
    closed.grow(gpus=1)
    waits.until_told(RUNS)
    end_training(waits)
    waits.outcome()
    assert waits.phases() == ["Queued", "Starting", "Running", "Succeeded"]
    assert waits.kueue() == []
    (alarm,) = [alarm for alarm in waits.log.alarms if "Kueue" in alarm]
    assert "Not permitted to watch Kueue's workloads, so it is not told why it waits: " in alarm


def test_where_there_is_no_kueue_a_queued_task_is_told_so_and_may_be_suspended_by_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with ControlPlane(tmp_path / "plain") as plain, kubelet(plain, tmp_path / "node", "--capacity", "nvidia.com/gpu=1"):
        connect(monkeypatch, plain, documented_token(plain, NAMESPACE))
        trains = train("team-a", kubernetes_conn_id="deaf")
        trains.until_told(": Running", "the cluster no Kueue")

        hook = KubeflowTrainerHook("deaf")
        hook.suspend(trains.name)
        trains.until(lambda log: "Queued" in trains.phases(), what="the suspension")
        hook.resume(trains.name)

        trains.until(lambda log: log.splitlines().count(RUNS) == 2, what="the training anew")
        end_training(trains)
        trains.outcome()
    assert trains.phases()[-5:] == ["Running", "Queued", "Starting", "Running", "Succeeded"]
    (alarm,) = [alarm for alarm in trains.log.alarms if "Kueue" in alarm]
    assert alarm.endswith("the cluster no Kueue (no API kueue.x-k8s.io), so that it has no effect")
