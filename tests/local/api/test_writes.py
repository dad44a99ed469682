"""Create, replace and patch, as clients of Kubernetes know them."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from typing import Any

import aiohttp
import pytest

from airflow_kubeflow_trainer.cluster.client import STRATEGIC_MERGE_PATCH
from airflow_kubeflow_trainer.cluster.resources import (
    CONFIG_MAPS,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    TRAINJOBS,
    Resource,
)
from airflow_kubeflow_trainer.exceptions import ApiError, ConflictError, NotFoundError
from tests.local.api.harness import TOKEN, Server, path


async def test_a_created_object_has_what_the_server_gives(server: Server) -> None:
    created = await server.create(CONFIG_MAPS, "one", data={"a": "b"})
    metadata = created["metadata"]
    assert metadata["namespace"] == "default"
    assert re.fullmatch(r"[0-9a-f-]{36}", metadata["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["creationTimestamp"])
    assert int(metadata["resourceVersion"]) > 0
    assert await server.client.get(path(CONFIG_MAPS, "one")) == created


async def test_versions_rise_across_all_resources(server: Server) -> None:
    written = [
        await server.create(CONFIG_MAPS, "one"),
        await server.create_pod("two"),
        await server.client.patch(path(CONFIG_MAPS, "one"), {"data": {"a": "b"}}),
    ]
    versions = [int(obj["metadata"]["resourceVersion"]) for obj in written]
    assert versions == sorted(set(versions))


async def test_a_generated_name_is_new_each_time(server: Server) -> None:
    body = {"metadata": {"generateName": "job-"}}
    names = {(await server.client.create(path(CONFIG_MAPS), body))["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch("job-[a-z0-9]{5}", name) for name in names)


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        pytest.param(PODS, 'pods "x" not found', id="core"),
        pytest.param(TRAINJOBS, 'trainjobs.trainer.kubeflow.org "x" not found', id="custom"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "replace", "patch", "delete"])
async def test_what_does_not_exist_is_not_found(server: Server, resource: Resource, words: str, verb: str) -> None:
    body: dict[str, Any] = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x"}}
    bodies = {"replace": [body], "patch": [{}]}
    with pytest.raises(NotFoundError) as refused:
        await getattr(server.client, verb)(path(resource, "x"), *bodies.get(verb, []))
    assert refused.value.message == words
    assert refused.value.reason == "NotFound"
    assert refused.value.details["kind"] == resource.plural


async def test_a_name_can_be_taken_once(server: Server) -> None:
    await server.create(CONFIG_MAPS, "one")
    with pytest.raises(ConflictError) as refused:
        await server.create(CONFIG_MAPS, "one")
    assert refused.value.reason == "AlreadyExists"
    assert refused.value.message == 'configmaps "one" already exists'


async def test_nothing_is_created_in_a_namespace_that_does_not_exist(server: Server) -> None:
    with pytest.raises(NotFoundError) as refused:
        await server.client.create(CONFIG_MAPS.path(namespace="nowhere"), {"metadata": {"name": "one"}})
    assert refused.value.message == 'namespaces "nowhere" not found'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"kind": "Secret"}, 'Secret in version "v1" cannot be handled as a ConfigMap', id="kind"),
        pytest.param(
            {"apiVersion": "v2"},
            "the API version in the data (v2) does not match the expected API version (v1)",
            id="version",
        ),
        pytest.param(
            {"metadata": {"name": "a", "namespace": "b"}},
            "the namespace of the provided object does not match the namespace sent on the request",
            id="namespace",
        ),
    ],
)
async def test_an_object_that_does_not_fit_the_path_is_refused(server: Server, body: Any, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        await server.client.create(path(CONFIG_MAPS), {"metadata": {"name": "a"}, **body})
    assert (refused.value.status, refused.value.message) == (400, words)


async def test_a_put_under_another_name_is_refused(server: Server) -> None:
    one = await server.create(CONFIG_MAPS, "one")
    with pytest.raises(
        ApiError, match=re.escape("the name of the object (one) does not match the name on the URL (two)")
    ):
        await server.client.replace(path(CONFIG_MAPS, "two"), one)


async def test_a_stale_put_is_a_conflict(server: Server) -> None:
    first = await server.create(CONFIG_MAPS, "one")
    await server.client.replace(path(CONFIG_MAPS, "one"), {**first, "data": {"a": "1"}})
    with pytest.raises(ConflictError) as refused:
        await server.client.replace(path(CONFIG_MAPS, "one"), {**first, "data": {"a": "2"}})
    assert refused.value.reason == "Conflict"
    assert refused.value.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )


async def test_counting_with_optimistic_locking_loses_no_count(server: Server) -> None:
    await server.create(CONFIG_MAPS, "counter", data={"count": "0"})

    async def count() -> None:
        while True:
            found = await server.client.get(path(CONFIG_MAPS, "counter"))
            found["data"]["count"] = str(int(found["data"]["count"]) + 1)
            try:
                await server.client.replace(path(CONFIG_MAPS, "counter"), found)
                return
            except ConflictError:
                continue

    await asyncio.gather(*(count() for _ in range(20)))
    assert (await server.client.get(path(CONFIG_MAPS, "counter")))["data"]["count"] == "20"


async def test_a_patch_may_name_the_version_and_uid_that_it_is_for(server: Server) -> None:
    one = await server.create(CONFIG_MAPS, "one")
    for field, value in (("resourceVersion", "1"), ("uid", "another")):
        with pytest.raises(ConflictError):
            await server.client.patch(path(CONFIG_MAPS, "one"), {"metadata": {field: value}, "data": {"a": "b"}})
    metadata = {key: one["metadata"][key] for key in ("uid", "resourceVersion")}
    await server.client.patch(path(CONFIG_MAPS, "one"), {"metadata": metadata, "data": {"a": "b"}})


async def test_a_write_that_changes_nothing_makes_no_new_version(server: Server) -> None:
    one = await server.create(CONFIG_MAPS, "one", data={"a": "b"})
    assert await server.client.patch(path(CONFIG_MAPS, "one"), {"data": {"a": "b"}}) == one
    assert await server.client.replace(path(CONFIG_MAPS, "one"), one) == one


async def test_what_the_server_gave_cannot_be_changed(server: Server) -> None:
    one = await server.create(CONFIG_MAPS, "one")
    gone = {"creationTimestamp": None, "deletionTimestamp": "2026-01-01T00:00:00Z", "labels": {"a": "b"}}
    changed = await server.client.patch(path(CONFIG_MAPS, "one"), {"metadata": gone})
    assert changed["metadata"]["creationTimestamp"] == one["metadata"]["creationTimestamp"]
    assert "deletionTimestamp" not in changed["metadata"]
    assert changed["metadata"]["labels"] == {"a": "b"}


async def test_status_and_the_rest_are_written_apart(trainer: Server) -> None:
    job = await trainer.create_trainjob("job", status={"jobsStatus": []})
    assert "status" not in job
    changed = {**job, "spec": {**job["spec"], "suspend": True}, "status": {"jobsStatus": [{"name": "node"}]}}
    through_main = await trainer.client.replace(path(TRAINJOBS, "job"), changed)
    assert through_main["spec"]["suspend"] is True
    assert "status" not in through_main
    changed["metadata"] = through_main["metadata"]
    changed["spec"] = {**changed["spec"], "suspend": False}
    through_status = await trainer.client.replace(path(TRAINJOBS, "job", "status"), changed)
    assert through_status["spec"]["suspend"] is True
    assert through_status["status"] == {"jobsStatus": [{"name": "node"}]}


async def test_the_generation_counts_changes_of_what_is_wanted(trainer: Server) -> None:
    job = await trainer.create_trainjob("job")
    labelled = await trainer.client.patch(path(TRAINJOBS, "job"), {"metadata": {"labels": {"a": "b"}}})
    reported = await trainer.client.patch(path(TRAINJOBS, "job", "status"), {"status": {"jobsStatus": []}})
    suspended = await trainer.client.patch(path(TRAINJOBS, "job"), {"spec": {"suspend": True}})
    assert [obj["metadata"]["generation"] for obj in (job, labelled, reported, suspended)] == [1, 1, 1, 2]


async def test_a_trainjob_is_not_replaced_blindly(trainer: Server) -> None:
    job = await trainer.create_trainjob("job")
    del job["metadata"]["resourceVersion"]
    with pytest.raises(ApiError) as refused:
        await trainer.client.replace(path(TRAINJOBS, "job"), job)
    assert refused.value.status == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in refused.value.message


async def test_admission_has_its_say(trainer: Server) -> None:
    with pytest.raises(ApiError) as refused:
        await trainer.create_trainjob("job", spec={"runtimeRef": {"name": "absent"}})
    assert refused.value.status == 403
    assert "must be created before the TrainJob is created" in refused.value.message


async def test_an_unknown_field_is_refused_or_warned_of_as_the_client_wants(trainer: Server) -> None:
    body = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": "TrainJob",
        "metadata": {"name": "job"},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "frob": 1},
    }
    with pytest.raises(ApiError, match='unknown field "spec.frob"') as refused:
        await trainer.client.create(path(TRAINJOBS), body, params={"fieldValidation": "Strict"})
    assert refused.value.status == 400
    context = ssl.create_default_context(cafile=str(trainer.pki.ca_certificate))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.post(trainer.url + path(TRAINJOBS), json=body, headers=headers) as response,
    ):
        assert response.status == 201
        assert response.headers["Warning"] == r'299 - "unknown field \"spec.frob\""'
        assert "frob" not in (await response.json())["spec"]


async def test_a_dry_run_answers_as_if_and_leaves_nothing(trainer: Server) -> None:
    body = {
        "apiVersion": TRAINJOBS.api_version,
        "kind": "TrainJob",
        "metadata": {"name": "job"},
        "spec": {"runtimeRef": {"name": "torch-distributed"}},
    }
    dry = {"dryRun": "All"}
    answered = await trainer.client.create(path(TRAINJOBS), body, params=dry)
    assert answered["metadata"]["uid"]
    assert (await trainer.client.get(path(TRAINJOBS)))["items"] == []
    job = await trainer.create_trainjob("job")
    patched = await trainer.client.patch(path(TRAINJOBS, "job"), {"spec": {"suspend": True}}, params=dry)
    assert patched["spec"]["suspend"] is True
    await trainer.client.delete(path(TRAINJOBS, "job"), params=dry)
    assert await trainer.client.get(path(TRAINJOBS, "job")) == job


@pytest.mark.parametrize(
    "params", [{"dryRun": "Some"}, {"fieldValidation": "Lax"}], ids=lambda params: next(iter(params))
)
async def test_an_option_of_an_unknown_value_is_refused(server: Server, params: dict[str, str]) -> None:
    with pytest.raises(ApiError, match="Unsupported value") as refused:
        await server.client.create(path(CONFIG_MAPS), {"metadata": {"name": "a"}}, params=params)
    assert refused.value.status == 422


async def test_each_kind_of_patch_has_its_content_type(server: Server) -> None:
    await server.create_pod("pod", metadata={"labels": {"a": "b"}})
    conditions = [{"type": "Ready", "status": "True"}]
    status = path(PODS, "pod", "status")
    await server.client.patch(status, {"status": {"conditions": conditions}}, content_type=STRATEGIC_MERGE_PATCH)
    operations = [{"op": "replace", "path": "/metadata/labels/a", "value": "c"}]
    pod = await server.client.patch(path(PODS, "pod"), operations, content_type="application/json-patch+json")
    assert pod["metadata"]["labels"] == {"a": "c"}
    assert pod["status"]["conditions"] == conditions
    assert pod["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    ("resource", "kind", "words"),
    [
        pytest.param(TRAINJOBS, STRATEGIC_MERGE_PATCH, "unknown format", id="strategic-on-custom"),
        pytest.param(TRAINJOBS, "application/apply-patch+yaml", "server-side apply", id="apply"),
        pytest.param(PODS, "application/json", "unknown format", id="plain-json"),
    ],
)
async def test_a_kind_of_patch_that_is_not_served_is_refused(
    server: Server, resource: Resource, kind: str, words: str
) -> None:
    with pytest.raises(ApiError, match=words) as refused:
        await server.client.patch(path(resource, "x"), {}, content_type=kind)
    assert refused.value.status == 415


async def test_a_pods_spec_is_fixed(server: Server) -> None:
    await server.create_pod("pod")
    with pytest.raises(ApiError, match="pod updates may not change fields other than") as refused:
        await server.client.patch(path(PODS, "pod"), {"spec": {"restartPolicy": "Never"}})
    assert refused.value.status == 422


async def test_a_pod_is_bound_once(server: Server) -> None:
    pod = await server.create_pod("pod", node="one")
    assert pod["spec"]["nodeName"] == "one"
    assert [c["type"] for c in pod["status"]["conditions"]] == ["PodScheduled"]
    with pytest.raises(ConflictError) as refused:
        await server.client.create(path(PODS, "pod", "binding"), {"target": {"name": "two"}})
    assert refused.value.message == (
        'Operation cannot be fulfilled on pods/binding "pod": pod pod is already assigned to node "one"'
    )


async def test_a_secrets_plain_strings_are_encoded(server: Server) -> None:
    secret = await server.create(SECRETS, "secret", stringData={"token": "hf_1"})
    assert secret["data"] == {"token": base64.b64encode(b"hf_1").decode()}
    assert "stringData" not in secret
    patched = await server.client.patch(path(SECRETS, "secret"), {"stringData": {"more": "2"}})
    assert set(patched["data"]) == {"token", "more"}


async def test_core_objects_get_their_defaults(server: Server) -> None:
    pod = await server.create_pod("pod")
    assert pod["status"]["phase"] == "Pending"
    assert pod["spec"]["restartPolicy"] == "Always"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 30
    claim = await server.create(PERSISTENT_VOLUME_CLAIMS, "claim", spec=CLAIM)
    assert claim["status"] == {"phase": "Pending"}
    namespace = await server.client.create(NAMESPACES.path(), {"metadata": {"name": "team"}})
    assert namespace["status"] == {"phase": "Active"}


async def test_a_pod_without_containers_is_refused(server: Server) -> None:
    with pytest.raises(ApiError, match=r"spec\.containers: Required value") as refused:
        await server.create_pod("pod", spec={"containers": []})
    assert refused.value.status == 422


@pytest.mark.parametrize("amount", ["abc", "1.2.3", {"a": 1}, True, ""], ids=repr)
async def test_what_is_no_quantity_is_refused(server: Server, amount: Any) -> None:
    container = {"name": "main", "image": "python", "resources": {"limits": {"memory": amount}}}
    with pytest.raises(ApiError, match="cannot be handled as a Pod: quantities must match the regular") as refused:
        await server.create_pod("pod", spec={"containers": [container]})
    assert refused.value.status == 400
    assert refused.value.reason == "BadRequest"


async def test_a_body_that_is_nested_too_deeply_is_refused(server: Server) -> None:
    data: Any = {}
    for _ in range(900):
        data = {"a": data}
    with pytest.raises(ApiError) as refused:
        await server.client.create(path(CONFIG_MAPS), {"metadata": {"name": "a"}, "a": data})
    assert (refused.value.status, refused.value.reason) == (400, "BadRequest")


async def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    with pytest.raises(ApiError, match="json parse error") as refused:
        await server.client.create(path(CONFIG_MAPS), {"metadata": {"name": "a"}, "data": {"x": float("nan")}})
    assert refused.value.status == 400


async def test_a_body_that_is_too_large_is_refused(server: Server) -> None:
    with pytest.raises(ApiError, match="limit is 3145728") as refused:
        await server.create(CONFIG_MAPS, "large", data={"a": "x" * 4_000_000})
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(rb'"a\ud800b"', "a\ufffdb", id="first half alone"),
        pytest.param(rb'"a\uDC00b"', "a\ufffdb", id="second half alone"),
        pytest.param(rb'"a\ud83d\ude00b"', "a\U0001f600b", id="whole character"),
    ],
)
async def test_half_a_character_is_replaced_as_in_kubernetes(server: Server, sent: bytes, kept: str) -> None:
    body = b'{"metadata":{"name":"one"},"data":{"a":' + sent + b"}}"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    context = ssl.create_default_context(cafile=str(server.pki.ca_certificate))
    url = server.url + path(CONFIG_MAPS)
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers, ssl=context) as response,
    ):
        assert response.status == 201
    assert (await server.client.get(path(CONFIG_MAPS, "one")))["data"] == {"a": kept}


async def test_a_name_with_half_a_character_is_refused(server: Server) -> None:
    with pytest.raises(ApiError) as refused:
        await server.create(CONFIG_MAPS, "one\ud800")
    assert refused.value.status == 422
