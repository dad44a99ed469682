"""How objects go."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS, NAMESPACES, PODS, TRAINJOBS
from airflow_kubeflow_trainer.exceptions import ApiError, ConflictError, NotFoundError
from tests.local.api.harness import Server, path


async def exists(server: Server, where: str) -> bool:
    try:
        await server.client.get(where)
    except NotFoundError:
        return False
    return True


async def test_an_object_that_nothing_holds_is_gone_at_once(trainer: Server) -> None:
    job = await trainer.create_trainjob("job")
    answer = await trainer.client.delete(path(TRAINJOBS, "job"))
    assert answer["status"] == "Success"
    assert answer["details"] == {
        "name": "job",
        "group": "trainer.kubeflow.org",
        "kind": "trainjobs",
        "uid": job["metadata"]["uid"],
    }
    assert not await exists(trainer, path(TRAINJOBS, "job"))


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
async def test_another_object_than_the_one_meant_stays(server: Server, field: str) -> None:
    await server.create(CONFIG_MAPS, "one")
    with pytest.raises(ConflictError, match="in the precondition") as refused:
        await server.client.delete(path(CONFIG_MAPS, "one"), body={"preconditions": {field: "another"}})
    assert refused.value.reason == "Conflict"
    assert await exists(server, path(CONFIG_MAPS, "one"))


async def test_a_running_pod_gets_its_grace_period(server: Server) -> None:
    await server.create_pod("pod", node="local", spec={"terminationGracePeriodSeconds": 7})
    pod = await server.client.delete(path(PODS, "pod"))
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 7
    assert pod["metadata"]["deletionTimestamp"] > pod["metadata"]["creationTimestamp"]
    hurried = await server.client.delete(path(PODS, "pod"), body={"gracePeriodSeconds": 2})
    assert hurried["metadata"]["deletionGracePeriodSeconds"] == 2
    patient = await server.client.delete(path(PODS, "pod"), params={"gracePeriodSeconds": 20})
    assert patient["metadata"]["deletionGracePeriodSeconds"] == 2
    await server.client.delete(path(PODS, "pod"), body={"gracePeriodSeconds": 0})
    assert not await exists(server, path(PODS, "pod"))


@pytest.mark.parametrize(
    ("node", "status"),
    [
        pytest.param(None, {}, id="never-bound"),
        pytest.param("local", {"phase": "Succeeded"}, id="succeeded"),
        pytest.param("local", {"phase": "Failed"}, id="failed"),
    ],
)
async def test_a_pod_that_does_not_run_goes_at_once(server: Server, node: str | None, status: dict[str, Any]) -> None:
    await server.create_pod("pod", node=node)
    await server.client.patch(path(PODS, "pod", "status"), {"status": status})
    assert (await server.client.delete(path(PODS, "pod")))["kind"] == "Pod"
    assert not await exists(server, path(PODS, "pod"))


async def test_a_finalizer_holds_an_object_until_it_is_taken_away(server: Server) -> None:
    await server.create(CONFIG_MAPS, "one", metadata={"finalizers": ["acme.io/a"]})
    answer = await server.client.delete(path(CONFIG_MAPS, "one"))
    assert answer["metadata"]["deletionTimestamp"]
    with pytest.raises(ApiError, match=r'found new finalizers .*"acme\.io/b"') as refused:
        await server.client.patch(path(CONFIG_MAPS, "one"), {"metadata": {"finalizers": ["acme.io/a", "acme.io/b"]}})
    assert refused.value.status == 422
    assert await exists(server, path(CONFIG_MAPS, "one"))
    await server.client.patch(path(CONFIG_MAPS, "one"), {"metadata": {"finalizers": None}})
    assert not await exists(server, path(CONFIG_MAPS, "one"))


async def test_a_running_pod_outlives_its_finalizer_until_the_kubelet_confirms(server: Server) -> None:
    await server.create_pod("pod", node="local", metadata={"finalizers": ["acme.io/a"]})
    await server.client.delete(path(PODS, "pod"))
    await server.client.patch(path(PODS, "pod"), {"metadata": {"finalizers": None}})
    assert await exists(server, path(PODS, "pod"))
    await server.client.delete(path(PODS, "pod"), body={"gracePeriodSeconds": 0})
    assert not await exists(server, path(PODS, "pod"))


async def test_orphans_forget_their_owner(server: Server) -> None:
    owner = await server.create(CONFIG_MAPS, "owner")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    await server.create(CONFIG_MAPS, "child", metadata={"ownerReferences": [reference]})
    await server.client.delete(path(CONFIG_MAPS, "owner"), params={"propagationPolicy": "Orphan"})
    assert (await server.client.get(path(CONFIG_MAPS, "child")))["metadata"]["ownerReferences"] == []


async def test_a_collection_is_deleted_by_selector(server: Server) -> None:
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        await server.create(CONFIG_MAPS, name, metadata={"labels": {"color": color}})
    deleted = await server.client.delete(path(CONFIG_MAPS), params={"labelSelector": "color=red"})
    assert [item["metadata"]["name"] for item in deleted["items"]] == ["a", "c"]
    left = await server.client.get(path(CONFIG_MAPS))
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_a_namespace_takes_along_what_is_in_it(server: Server) -> None:
    await server.client.create(NAMESPACES.path(), {"metadata": {"name": "team"}})
    within = CONFIG_MAPS.path(namespace="team")
    await server.client.create(within, {"metadata": {"name": "free"}})
    await server.client.create(within, {"metadata": {"name": "held", "finalizers": ["acme.io/a"]}})
    answer = await server.client.delete(NAMESPACES.path(name="team"))
    assert answer["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        await server.client.create(within, {"metadata": {"name": "late"}})
    assert refused.value.status == 403
    assert [item["metadata"]["name"] for item in (await server.client.get(within))["items"]] == ["held"]
    await server.client.patch(f"{within}/held", {"metadata": {"finalizers": None}})
    assert not await exists(server, NAMESPACES.path(name="team"))


async def test_the_default_namespace_stays(server: Server) -> None:
    with pytest.raises(ApiError, match="this namespace may not be deleted") as refused:
        await server.client.delete(NAMESPACES.path(name="default"))
    assert refused.value.status == 403


def eviction(name: str, **options: Any) -> dict[str, Any]:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    return {**body, "deleteOptions": options}


async def test_an_eviction_is_a_deletion_that_tells_of_itself(server: Server) -> None:
    pod = await server.create_pod("pod", node="local")
    meant = {"uid": pod["metadata"]["uid"], "resourceVersion": pod["metadata"]["resourceVersion"]}
    await server.client.create(path(PODS, "pod", "eviction"), eviction("pod", preconditions=meant))
    evicted = await server.client.get(path(PODS, "pod"))
    assert evicted["metadata"]["deletionTimestamp"]
    condition = {each["type"]: each for each in evicted["status"]["conditions"]}["DisruptionTarget"]
    told = (condition["status"], condition["reason"], condition["message"])
    assert told == ("True", "EvictionByEvictionAPI", "Eviction API: evicting")

    await server.client.create(path(PODS, "pod", "eviction"), eviction("pod", gracePeriodSeconds=0))
    assert not await exists(server, path(PODS, "pod"))


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param(eviction("another"), "name in URL does not match name in Eviction object", id="another-name"),
        pytest.param(eviction("pod", preconditions={"uid": "another"}), "in the precondition", id="another-uid"),
        pytest.param(eviction("pod", dryRun=["All"]), None, id="dry-run"),
    ],
)
async def test_a_pod_that_is_not_to_be_evicted_is_not_marked(
    server: Server, body: dict[str, Any], refusal: str | None
) -> None:
    before = await server.create_pod("pod", node="local")
    with pytest.raises(ApiError, match=refusal) if refusal else nullcontext():
        await server.client.create(path(PODS, "pod", "eviction"), body)
    assert await server.client.get(path(PODS, "pod")) == before
