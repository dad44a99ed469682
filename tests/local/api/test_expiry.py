"""Events go after an hour."""

from __future__ import annotations

from collections.abc import Callable

from airflow_kubeflow_trainer.local.api.expiry import EVENT_LIFETIME_SECONDS, EventExpiry
from airflow_kubeflow_trainer.local.api.registry import Place
from airflow_kubeflow_trainer.local.api.resources import CONFIG_MAPS, EVENTS
from tests.local.api.harness import Objects


def test_an_event_goes_an_hour_after_it_was_written_last(new_objects: Callable[..., Objects]) -> None:
    objects, now = new_objects(), 0.0
    expiry = EventExpiry(objects.store, objects.registry, now=lambda: now)

    def names() -> list[str]:
        return [event.object["metadata"]["name"] for event in objects.store.all(EVENTS)]

    for name in ("once", "twice"):
        objects.put(Place(EVENTS, "default", name), {})
    objects.put(Place(CONFIG_MAPS, "default", "kept"), {})
    expiry.look()
    objects.put(Place(EVENTS, "default", "twice"), {"count": "2"})
    now = EVENT_LIFETIME_SECONDS / 2
    expiry.look()
    now = EVENT_LIFETIME_SECONDS
    expiry.look()
    assert names() == ["twice"]
    now = EVENT_LIFETIME_SECONDS * 1.5
    expiry.look()
    assert names() == []
    assert len(objects.store.all(CONFIG_MAPS)) == 1
