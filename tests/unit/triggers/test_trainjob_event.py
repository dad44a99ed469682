"""An event trigger as Airflow stores it, and tells it from others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import Asset, AssetWatcher
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger

from airflow_kubeflow_trainer import TrainJobEventTrigger
from airflow_kubeflow_trainer.exceptions import ConfigError

ARGUMENTS: dict[str, Any] = {
    "label_selector": "team in (nlp, vision)",
    "until": "failed",
    "kubernetes_conn_id": "c",
    "namespace": "ml",
    "in_cluster": False,
    "config_file": "/f",
    "cluster_context": "x",
}


def hash_of(trigger: TrainJobEventTrigger) -> int:
    return BaseEventTrigger.hash(*trigger.serialize())


def test_it_is_made_again_of_what_it_is_stored_as() -> None:
    path, kwargs = TrainJobEventTrigger(**ARGUMENTS).serialize()

    assert path == "airflow_kubeflow_trainer.triggers.trainjob_event.TrainJobEventTrigger"
    assert kwargs == ARGUMENTS
    assert TrainJobEventTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)


@pytest.mark.parametrize("arguments", [{}, ARGUMENTS], ids=["defaults", "all arguments"])
def test_it_is_the_same_in_the_dag_and_in_airflows_database(arguments: dict[str, Any]) -> None:
    trigger = TrainJobEventTrigger(**arguments)
    encoded = encode_trigger(trigger)
    stored = Trigger._decrypt_kwargs(Trigger.encrypt_kwargs(encoded["kwargs"]))

    assert BaseEventTrigger.hash(encoded["classpath"], stored) == hash_of(trigger)
    assert hash_of(TrainJobEventTrigger(**arguments)) == hash_of(trigger)


def test_triggers_that_differ_in_any_argument_are_not_the_same() -> None:
    others = [
        TrainJobEventTrigger(**ARGUMENTS | {name: None})
        for name in ARGUMENTS
        if name not in ("until", "kubernetes_conn_id")
    ]
    others += [
        TrainJobEventTrigger(**ARGUMENTS | {"until": "complete"}),
        TrainJobEventTrigger(**ARGUMENTS | {"kubernetes_conn_id": "d"}),
    ]

    assert len({hash_of(trigger) for trigger in [TrainJobEventTrigger(**ARGUMENTS), *others]}) == len(ARGUMENTS) + 1


def test_an_asset_can_be_watched_by_it() -> None:
    watcher = AssetWatcher(name="w", trigger=TrainJobEventTrigger(**ARGUMENTS))

    assert Asset("trainjobs", watchers=[watcher]).watchers == [watcher]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"until": "running"}, "until: 'running' is not known; .*'finished'", id="no end"),
        pytest.param({"label_selector": "a in b"}, "label_selector: unable to parse", id="no selector"),
        pytest.param({"namespace": "ML"}, "namespace: 'ML' must be lower-case", id="no namespace"),
        pytest.param({"in_cluster": "no"}, "in_cluster: must be True or False", id="text for truth"),
        pytest.param({"config_file": 5}, "config_file: must be text", id="a number for a path"),
    ],
)
def test_a_wrong_argument_is_refused_at_parse(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        TrainJobEventTrigger(**arguments)
