"""The clients that people use, against a whole cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import kubernetes
import kubernetes_asyncio
import pytest

from airflow_kubeflow_trainer.local.cluster import LocalCluster

GROUP = ("trainer.kubeflow.org", "v1alpha1", "default", "trainjobs")


def trainjob(name: str, code: str = "print('done')") -> dict[str, Any]:
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"command": ["python", "-c", code]}},
    }


def is_over(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


@pytest.fixture
def sync_client(local_cluster: LocalCluster) -> Iterator[kubernetes.client.ApiClient]:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(local_cluster.kubeconfig), client_configuration=configuration)
    with kubernetes.client.ApiClient(configuration) as client:
        yield client


@pytest.fixture
async def async_client(local_cluster: LocalCluster) -> AsyncIterator[kubernetes_asyncio.client.ApiClient]:
    configuration = kubernetes_asyncio.client.Configuration()
    await kubernetes_asyncio.config.load_kube_config(str(local_cluster.kubeconfig), client_configuration=configuration)
    async with kubernetes_asyncio.client.ApiClient(configuration) as client:
        yield client


def test_the_synchronous_client_runs_a_trainjob(sync_client: kubernetes.client.ApiClient) -> None:
    core = kubernetes.client.CoreV1Api(sync_client)
    custom = kubernetes.client.CustomObjectsApi(sync_client)
    created = custom.create_namespaced_custom_object(*GROUP, trainjob("sync"))
    stream = kubernetes.watch.Watch()
    for event in stream.stream(
        custom.list_namespaced_custom_object, *GROUP, field_selector="metadata.name=sync", timeout_seconds=60
    ):
        if is_over(event["object"]):
            stream.stop()
    [pod] = core.list_namespaced_pod("default", label_selector="jobset.sigs.k8s.io/jobset-name=sync").items
    assert pod.status.phase == "Succeeded"
    log = core.read_namespaced_pod_log(pod.metadata.name, "default", _preload_content=False).data
    assert log == b"done\n"
    assert custom.patch_namespaced_custom_object(*GROUP, "sync", {"metadata": {"labels": {"a": "b"}}})
    deleted = custom.delete_namespaced_custom_object(*GROUP, "sync")
    assert deleted["details"]["uid"] == created["metadata"]["uid"]
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.get_namespaced_custom_object(*GROUP, "sync")
    assert refused.value.status == 404


async def test_the_asynchronous_client_runs_a_trainjob(async_client: kubernetes_asyncio.client.ApiClient) -> None:
    core = kubernetes_asyncio.client.CoreV1Api(async_client)
    custom = kubernetes_asyncio.client.CustomObjectsApi(async_client)
    code = "import time\nfor i in range(3): print(i, flush=True); time.sleep(0.2)"
    await custom.create_namespaced_custom_object(*GROUP, trainjob("async", code))
    async with kubernetes_asyncio.watch.Watch() as pods:
        selector = "jobset.sigs.k8s.io/jobset-name=async"
        async for event in pods.stream(core.list_namespaced_pod, "default", label_selector=selector):
            if event["object"].status.phase == "Running":
                name = event["object"].metadata.name
                break
    follow = await core.read_namespaced_pod_log(name, "default", follow=True, _preload_content=False)
    lines = [line async for line in follow.content]
    assert lines == [b"0\n", b"1\n", b"2\n"]
    await custom.delete_namespaced_custom_object(*GROUP, "async", propagation_policy="Foreground")


def test_the_typed_client_writes_and_deletes_core_objects(sync_client: kubernetes.client.ApiClient) -> None:
    core = kubernetes.client.CoreV1Api(sync_client)
    model = kubernetes.client
    secret = model.V1Secret(metadata=model.V1ObjectMeta(name="typed"), string_data={"a": "b"})
    assert core.create_namespaced_secret("default", secret).data == {"a": "Yg=="}
    assert core.patch_namespaced_secret("typed", "default", {"stringData": {"c": "d"}}).data["c"] == "ZA=="
    assert core.delete_namespaced_secret("typed", "default").status == "Success"
    account = model.V1ServiceAccount(metadata=model.V1ObjectMeta(name="typed"))
    core.create_namespaced_service_account("default", account)
    assert core.delete_namespaced_service_account("typed", "default").metadata.name == "typed"


def test_the_dynamic_client_finds_its_way_by_discovery(sync_client: kubernetes.client.ApiClient) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(sync_client)
    runtimes = dynamic.resources.get(api_version="trainer.kubeflow.org/v1alpha1", kind="ClusterTrainingRuntime")
    assert "torch-distributed" in [runtime.metadata.name for runtime in runtimes.get().items]
    assert dynamic.resources.get(api_version="v1", kind="Pod").namespaced
    assert dynamic.version["kubernetes"]["gitVersion"].startswith("v1.")


def test_a_client_that_asks_what_it_may_do_may_do_everything(sync_client: kubernetes.client.ApiClient) -> None:
    wish = {"spec": {"resourceAttributes": {"verb": "create", "resource": "trainjobs", "namespace": "default"}}}
    review = kubernetes.client.AuthorizationV1Api(sync_client).create_self_subject_access_review(wish)
    assert review.status.allowed is True
    who = kubernetes.client.AuthenticationV1Api(sync_client).create_self_subject_review({})
    assert "system:masters" in who.status.user_info.groups


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        pytest.param("kube-apiserver-kubelet-client", True, id="the API server, which reads logs"),
        pytest.param("somebody", False, id="somebody"),
    ],
)
def test_a_kubelet_that_asks_who_may_read_its_logs_is_told(
    sync_client: kubernetes.client.ApiClient, user: str, allowed: bool
) -> None:
    wish = {"spec": {"user": user, "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "proxy"}}}
    review = kubernetes.client.AuthorizationV1Api(sync_client).create_subject_access_review(wish)
    assert review.status.allowed is allowed


def test_a_list_comes_as_a_table_for_those_who_print_it(sync_client: kubernetes.client.ApiClient) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    table = sync_client.call_api(
        "/api/v1/nodes",
        "GET",
        header_params={"Accept": accept},
        auth_settings=["BearerToken"],
        response_types_map={200: "object"},
        _return_http_data_only=True,
    )
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "Status", "Roles", "Age", "Version"]
    assert table["rows"][0]["cells"][:2] == ["local", "Ready"]


@pytest.mark.parametrize(
    ("pod", "container", "words"),
    [
        pytest.param("log-of-two", None, "must be specified for pod log-of-two, choose one of: [one two]", id="choose"),
        pytest.param("log-of-two", "three", "container three is not valid for pod log-of-two", id="not-valid"),
        pytest.param("log-of-none", "one", 'container "one" in pod "log-of-none" is waiting to start: ', id="waiting"),
    ],
)
async def test_a_log_that_cannot_be_read_says_why(
    async_client: kubernetes_asyncio.client.ApiClient, pod: str, container: str | None, words: str
) -> None:
    core = kubernetes_asyncio.client.CoreV1Api(async_client)
    containers = [{"name": name, "image": "nobody/knows"} for name in ("one", "two")]
    body = {"metadata": {"name": pod}, "spec": {"containers": containers[: 2 if pod == "log-of-two" else 1]}}
    await core.create_namespaced_pod("default", body)
    async with kubernetes_asyncio.watch.Watch() as pods:
        async for event in pods.stream(core.list_namespaced_pod, "default", field_selector=f"metadata.name={pod}"):
            if event["object"].status.container_statuses:
                break
    try:
        with pytest.raises(kubernetes_asyncio.client.ApiException) as refused:
            await core.read_namespaced_pod_log(pod, "default", container=container)
    finally:
        await core.delete_namespaced_pod(pod, "default", grace_period_seconds=0)
    assert refused.value.status == 400
    assert words in str(refused.value.body).replace('\\"', '"')


async def test_a_log_of_a_pod_without_a_node_is_empty(async_client: kubernetes_asyncio.client.ApiClient) -> None:
    core = kubernetes_asyncio.client.CoreV1Api(async_client)
    containers = [{"name": "one", "image": "python"}]
    spec = {"containers": containers, "schedulingGates": [{"name": "acme.io/wait"}]}
    await core.create_namespaced_pod("default", {"metadata": {"name": "gated"}, "spec": spec})
    assert await core.read_namespaced_pod_log("gated", "default") == ""
    await core.delete_namespaced_pod("gated", "default")


async def test_two_clients_see_the_same_changes(
    sync_client: kubernetes.client.ApiClient, async_client: kubernetes_asyncio.client.ApiClient
) -> None:
    """What one client writes, the watch of another tells, in the order of the writes."""
    written = kubernetes.client.CoreV1Api(sync_client)
    read = kubernetes_asyncio.client.CoreV1Api(async_client)
    version = (await read.list_namespaced_config_map("default")).metadata.resource_version
    names = [f"seen-{i}" for i in range(5)]

    def write() -> None:
        for name in names:
            written.create_namespaced_config_map("default", {"metadata": {"name": name}})
        written.delete_collection_namespaced_config_map("default", field_selector=f"metadata.name={names[0]}")

    writing = asyncio.create_task(asyncio.to_thread(write))
    seen = []
    async with kubernetes_asyncio.watch.Watch() as changes:
        async for event in changes.stream(read.list_namespaced_config_map, "default", resource_version=version):
            if event["object"].metadata.name in names:
                seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                break
    await writing
    assert seen == [*(("ADDED", name) for name in names), ("DELETED", names[0])]
