"""pods/eviction: take a pod away, and say on it that this was no fault of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_kubeflow_trainer.local.api.deletion import DeleteOptions, check_preconditions, delete_options
from airflow_kubeflow_trainer.local.api.metadata import timestamp
from airflow_kubeflow_trainer.local.api.registry import Place, Registry
from airflow_kubeflow_trainer.local.api.store import Store
from airflow_kubeflow_trainer.local.status import bad_request
from airflow_kubeflow_trainer.local.strategic import strategic_merge


def evict(store: Store, registry: Registry, place: Place, body: Any, query: Mapping[str, str]) -> None:
    """Mark a pod as evicted, and delete it as its eviction's ``deleteOptions`` say.

    :raises StatusError: 400, it is no eviction of that pod; 404; 409, another pod is meant.
    """
    options = _options(body, place.name, query)
    pod = registry.get(place).object
    check_preconditions(place.resource, pod, options)
    if not options.dry_run:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastTransitionTime": timestamp(),
        }
        store.put(place.resource, strategic_merge(pod, {"status": {"conditions": [condition]}}))
        # The condition has made another version of it.
        options = replace(options, version=None)
    registry.delete(place, options)


def _options(body: Any, pod_name: str, query: Mapping[str, str]) -> DeleteOptions:
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type Eviction): it is no object")
    if (body.get("metadata") or {}).get("name") != pod_name:
        raise bad_request("name in URL does not match name in Eviction object")
    return delete_options(body.get("deleteOptions"), query)
