"""LIST and WATCH: pages of one moment, and no change lost between the two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS
from airflow_kubeflow_trainer.cluster.watch import Watch, WatchType
from airflow_kubeflow_trainer.exceptions import ApiError, ExpiredError
from airflow_kubeflow_trainer.local.api import resources
from airflow_kubeflow_trainer.local.api.listing import list_options, list_page
from airflow_kubeflow_trainer.local.api.registry import Place
from airflow_kubeflow_trainer.local.api.watching import watch_lines, watch_options
from tests.local.api.harness import Objects, Server, path

NAMES = ("a", "b", "c", "d", "e")


def names(answer: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


def told(events: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(event["type"], event["object"]["metadata"].get("name")) for event in events]


@pytest.fixture
async def five(server: Server) -> Server:
    """A server with five ConfigMaps."""
    for name in NAMES:
        await server.create(CONFIG_MAPS, name)
    return server


async def test_pages_show_one_moment_whatever_is_written_in_between(five: Server) -> None:
    first = await five.client.get(path(CONFIG_MAPS), params={"limit": 2})
    assert names(first) == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    await five.client.delete(path(CONFIG_MAPS, "c"))
    await five.create(CONFIG_MAPS, "bb")
    await five.client.patch(path(CONFIG_MAPS, "e"), {"data": {"late": "yes"}})
    token = first["metadata"]["continue"]
    second = await five.client.get(path(CONFIG_MAPS), params={"limit": 2, "continue": token})
    assert names(second) == ["c", "d"]
    third = await five.client.get(path(CONFIG_MAPS), params={"continue": second["metadata"]["continue"]})
    assert names(third) == ["e"]
    assert "data" not in third["items"][0]
    assert "continue" not in third["metadata"]
    assert {page["metadata"]["resourceVersion"] for page in (second, third)} == {first["metadata"]["resourceVersion"]}


async def test_a_page_of_a_moment_that_is_forgotten_is_expired(five: Server) -> None:
    first = await five.client.get(path(CONFIG_MAPS), params={"limit": 2})
    await five.create(CONFIG_MAPS, "f")
    await five.restart()
    with pytest.raises(ExpiredError, match="continue parameter is too old") as refused:
        await five.client.get(path(CONFIG_MAPS), params={"continue": first["metadata"]["continue"]})
    assert refused.value.reason == "Expired"


async def test_an_exact_version_can_be_listed(five: Server) -> None:
    before = (await five.client.get(path(CONFIG_MAPS)))["metadata"]["resourceVersion"]
    await five.client.delete(path(CONFIG_MAPS, "a"))
    exact = {"resourceVersion": before, "resourceVersionMatch": "Exact"}
    assert names(await five.client.get(path(CONFIG_MAPS), params=exact)) == list(NAMES)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        pytest.param({"resourceVersion": "x"}, 422, id="no-version"),
        pytest.param({"resourceVersion": "999999"}, 504, id="version-of-the-future"),
        pytest.param({"resourceVersionMatch": "Exact"}, 422, id="match-without-version"),
        pytest.param({"resourceVersionMatch": "Some", "resourceVersion": "1"}, 422, id="unknown-match"),
        pytest.param({"continue": "x"}, 400, id="no-token"),
        pytest.param({"limit": "-1"}, 400, id="negative-limit"),
        pytest.param({"labelSelector": "a in"}, 400, id="no-selector"),
        pytest.param({"fieldSelector": "data.x=1"}, 400, id="no-field"),
    ],
)
async def test_options_that_make_no_sense_are_refused(five: Server, params: dict[str, str], status: int) -> None:
    with pytest.raises(ApiError) as refused:
        await five.client.get(path(CONFIG_MAPS), params=params)
    assert refused.value.status == status


async def test_a_list_of_all_namespaces_has_those_of_each(five: Server) -> None:
    await five.client.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    await five.client.create(CONFIG_MAPS.path(namespace="other"), {"metadata": {"name": "x"}})
    assert names(await five.client.get(CONFIG_MAPS.path())) == [*NAMES, "x"]
    assert names(await five.client.get(CONFIG_MAPS.path(namespace="other"))) == ["x"]


async def test_a_watch_without_a_version_begins_with_what_is_there(five: Server) -> None:
    assert told(await five.watch(CONFIG_MAPS)) == [("ADDED", name) for name in NAMES]


async def test_a_watch_tells_what_happened_since_its_version(five: Server) -> None:
    version = (await five.client.get(path(CONFIG_MAPS)))["metadata"]["resourceVersion"]
    await five.client.patch(path(CONFIG_MAPS, "a"), {"data": {"x": "y"}})
    await five.client.delete(path(CONFIG_MAPS, "b"))
    await five.create(CONFIG_MAPS, "f")
    events = await five.watch(CONFIG_MAPS, resourceVersion=version)
    assert told(events) == [("MODIFIED", "a"), ("DELETED", "b"), ("ADDED", "f")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert versions[0] > int(version)


async def test_what_a_selector_no_longer_matches_is_told_as_deleted(five: Server) -> None:
    version = (await five.client.get(path(CONFIG_MAPS)))["metadata"]["resourceVersion"]
    await five.client.patch(path(CONFIG_MAPS, "a"), {"metadata": {"labels": {"color": "red"}}})
    await five.client.patch(path(CONFIG_MAPS, "a"), {"data": {"x": "y"}})
    await five.client.patch(path(CONFIG_MAPS, "a"), {"metadata": {"labels": {"color": "blue"}}})
    await five.client.delete(path(CONFIG_MAPS, "a"))
    events = await five.watch(CONFIG_MAPS, resourceVersion=version, labelSelector="color=red")
    assert told(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


@pytest.mark.parametrize("version", ["2", "999999"], ids=["too-old", "from-another-life"])
async def test_a_watch_of_a_version_that_is_not_remembered_is_told_to_list_again(server: Server, version: str) -> None:
    await server.restart(history_length=3)
    for name in NAMES:
        await server.create(CONFIG_MAPS, name)
    [event] = await server.watch(CONFIG_MAPS, resourceVersion=version)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


async def test_after_a_restart_only_the_latest_version_can_be_watched_on(five: Server) -> None:
    version = (await five.client.get(path(CONFIG_MAPS)))["metadata"]["resourceVersion"]
    await five.restart()
    await five.create(CONFIG_MAPS, "f")
    assert told(await five.watch(CONFIG_MAPS, resourceVersion=version)) == [("ADDED", "f")]
    [event] = await five.watch(CONFIG_MAPS, resourceVersion=str(int(version) - 1))
    assert event["object"]["code"] == 410


async def test_a_client_that_watches_for_ever_lists_again_where_it_must(server: Server) -> None:
    await server.restart(history_length=1)
    seen: list[tuple[str, str]] = []
    async for event in Watch(server.client, CONFIG_MAPS, namespace="default").events():
        seen.append((event.type, event.object.get("metadata", {}).get("name", "")))
        if event.type is WatchType.SYNCED and len(seen) == 1:
            # More than the history holds, before the watch that follows the list.
            for name in ("a", "b", "c"):
                await server.create(CONFIG_MAPS, name)
        elif event.type is WatchType.SYNCED:
            break
    assert seen[1:] == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("SYNCED", "")]


async def test_bookmarks_and_initial_events_come_for_those_who_ask(
    five: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_kubeflow_trainer.local.api.watching.BOOKMARK_SECONDS", 0.4)
    events = await five.watch(
        CONFIG_MAPS, allowWatchBookmarks=True, sendInitialEvents=True, resourceVersionMatch="NotOlderThan"
    )
    assert told(events)[:6] == [*(("ADDED", name) for name in NAMES), ("BOOKMARK", None)]
    end_of_list, later = events[5]["object"], events[6]["object"]
    assert end_of_list["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert end_of_list["kind"] == "ConfigMap"
    await five.create(CONFIG_MAPS, "f")
    version = later["metadata"]["resourceVersion"]
    assert told(await five.watch(CONFIG_MAPS, resourceVersion=version)) == [("ADDED", "f")]


ACTIONS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["put", "put", "delete"]), st.sampled_from(["red", "blue"])),
    max_size=30,
)


@settings(max_examples=60)
@given(actions=ACTIONS, listed_after=st.integers(0, 30), selector=st.sampled_from(["", "color=red", "color!=red"]))
def test_a_list_and_the_changes_after_it_add_up_to_what_there_is(
    new_objects: Callable[..., Objects], actions: list[tuple[str, str, str]], listed_after: int, selector: str
) -> None:
    objects = new_objects()
    resource, query = resources.CONFIG_MAPS, {"labelSelector": selector}

    def do(batch: list[tuple[str, str, str]]) -> None:
        for name, action, color in batch:
            place = Place(resource, "default", name)
            if action == "put":
                objects.put(place, {"color": color})
            else:
                objects.delete(place)

    def listed() -> tuple[dict[str, Any], str]:
        page = list_page(objects.store, resource, "default", list_options(resource, query))
        return {item.object["metadata"]["name"]: item.object for item in page.items}, page.metadata["resourceVersion"]

    async def replay(copy: dict[str, Any], version: str) -> None:
        options = watch_options(resource, {**query, "resourceVersion": version, "allowWatchBookmarks": "true"})
        lines = watch_lines(objects.store, resource, "default", options, lambda stored: stored.text)
        objects.put(Place(resource, "default", "end"), {"color": "red" if selector != "color!=red" else "blue"})
        async for chunk in lines:
            for line in chunk.splitlines():
                event = json.loads(line)
                name = event["object"]["metadata"]["name"]
                assert (name in copy) is (event["type"] != "ADDED")
                if event["type"] == "DELETED":
                    del copy[name]
                else:
                    copy[name] = event["object"]
            if "end" in copy:
                await lines.aclose()

    do(actions[:listed_after])
    copy, version = listed()
    do(actions[listed_after:])
    asyncio.run(replay(copy, version))
    assert copy == listed()[0]
