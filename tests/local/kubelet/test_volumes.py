"""Volumes are seen at their mountPath, and nowhere else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from airflow_kubeflow_trainer.local.kubelet import size_limits
from airflow_kubeflow_trainer.local.kubelet.rewriting import Rewriter

Cluster = Any


async def make_claim(cluster: Cluster, name: str) -> str:
    path = "/api/v1/namespaces/default/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.api.create(path, {"metadata": {"name": name}, "spec": spec})
    await cluster.api.until(f"{path}/{name}", lambda claim: claim["status"].get("phase") == "Bound")
    return f"{path}/{name}"


def claim_volume(claim: str) -> dict[str, Any]:
    return {"name": "data", "persistentVolumeClaim": {"claimName": claim}}


def mount(path: str, **settings: Any) -> dict[str, Any]:
    return {"volumeMounts": [{"name": "data", "mountPath": path, **settings}]}


async def test_two_pods_at_once_write_the_same_path_each_into_its_own_claim(cluster: Cluster) -> None:
    script = "until test -e /workspace/output/other; do sleep 0.05; done; echo $0 > /workspace/output/$0"
    for name in ("a", "b"):
        await make_claim(cluster, name)
    paths = [
        await cluster.run_pod(
            name, ["sh", "-c", script, name], container=mount("/workspace/output"), volumes=[claim_volume(name)]
        )
        for name in ("a", "b")
    ]
    for path in paths:
        await cluster.running(path)
    for name in ("a", "b"):
        (cluster.directory / "volumes/default" / name / "other").touch()
    for path in paths:
        await cluster.finished(path)
    written = {name: sorted(p.name for p in (cluster.directory / "volumes/default" / name).iterdir()) for name in "ab"}
    assert written == {"a": ["a", "other"], "b": ["b", "other"]}
    assert not Path("/workspace").exists()


async def test_a_sub_path_is_made_and_a_read_only_mount_cannot_be_written(any_cluster: Cluster) -> None:
    await make_claim(any_cluster, "models")
    container = {
        "volumeMounts": [
            {"name": "data", "mountPath": "/workspace/output", "subPath": "runs/1"},
            {"name": "data", "mountPath": "/all", "readOnly": True},
        ]
    }
    script = "echo x > /workspace/output/adapter; cat /all/runs/1/adapter; touch /all/y"
    path = await any_cluster.run_pod("a", ["sh", "-c", script], container=container, volumes=[claim_volume("models")])
    await any_cluster.finished(path)
    assert (any_cluster.directory / "volumes/default/models/runs/1/adapter").read_text() == "x\n"
    assert any_cluster.log(path).startswith("x\n")


async def test_a_read_only_mount_is_read_only(cluster: Cluster) -> None:
    await make_claim(cluster, "models")
    path = await cluster.run_pod(
        "a", ["touch", "/all/y"], container=mount("/all", readOnly=True), volumes=[claim_volume("models")]
    )
    assert (await cluster.finished(path))["status"]["phase"] == "Failed"
    assert "Read-only file system" in cluster.log(path)


async def test_a_claim_keeps_its_data_until_it_is_deleted(cluster: Cluster) -> None:
    claim = await make_claim(cluster, "models")
    write = ["sh", "-c", "echo kept > /data/x"]
    first = await cluster.run_pod("a", write, container=mount("/data"), volumes=[claim_volume("models")])
    await cluster.finished(first)
    second = await cluster.run_pod("b", ["cat", "/data/x"], container=mount("/data"), volumes=[claim_volume("models")])
    await cluster.finished(second)
    assert cluster.log(second) == "kept\n"

    folder = cluster.directory / "volumes/default/models"
    await cluster.api.delete(claim)
    async with asyncio.timeout(10):
        while folder.exists():
            await asyncio.sleep(0.01)


async def test_a_claim_deleted_while_the_kubelet_was_away_loses_its_folder(idle: Cluster) -> None:
    await idle.start()
    claim = await make_claim(idle, "models")
    other = await make_claim(idle, "kept")
    await idle.stop()
    await idle.api.delete(claim)
    await idle.start()
    async with asyncio.timeout(10):
        while (idle.directory / "volumes/default/models").exists():
            await asyncio.sleep(0.01)
    assert other in idle.api.objects
    assert (idle.directory / "volumes/default/kept").is_dir()


async def test_secret_and_config_map_and_downward_volumes_hold_their_files(any_cluster: Cluster) -> None:
    await any_cluster.api.create(
        "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {"token": "YWJj", "other": "eA=="}}
    )
    await any_cluster.api.create(
        "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}, "data": {"a.yaml": "x: 1"}}
    )
    downward = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    items = [{"key": "token", "path": "deep/token"}]
    volumes = [
        {"name": "s", "secret": {"secretName": "s", "items": items}},
        {"name": "p", "projected": {"sources": [{"configMap": {"name": "c"}}, {"downwardAPI": downward}]}},
    ]
    mounts = [{"name": "s", "mountPath": "/etc/secret"}, {"name": "p", "mountPath": "/etc/settings"}]
    path = await any_cluster.run_pod(
        "a",
        ["sh", "-c", "cat /etc/secret/deep/token /etc/settings/a.yaml /etc/settings/labels; ls /etc/secret"],
        container={"volumeMounts": mounts},
        volumes=volumes,
        metadata={"labels": {"app": "x"}},
    )
    await any_cluster.finished(path)
    assert any_cluster.log(path) == 'abcx: 1app="x"deep\n'


async def test_a_missing_secret_volume_is_told_and_waited_for(cluster: Cluster) -> None:
    path = await cluster.run_pod(
        "a", ["true"], container=mount("/data"), volumes=[{"name": "data", "secret": {"secretName": "s"}}]
    )
    event = await cluster.event("FailedMount")
    assert event["message"] == 'MountVolume.SetUp failed for volume "data" : secret "s" not found'
    await cluster.api.create("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "data": {}})
    assert (await cluster.finished(path))["status"]["phase"] == "Succeeded"


async def test_a_claim_that_cannot_be_bound_is_bound_later_and_what_lay_there_is_kept(cluster: Cluster) -> None:
    namespace = cluster.directory / "volumes/default"
    (namespace / "models").mkdir(parents=True)
    (namespace / "models/weights").write_text("adopted")
    # Where it is noted first whose the folder is: as good as a full disk.
    (namespace / ".models.uid.new").mkdir()
    running = await cluster.run_pod("a", ["sleep", "1000"])
    await cluster.running(running)
    binding = asyncio.create_task(make_claim(cluster, "models"))
    assert (await cluster.finished(await cluster.run_pod("b", ["true"])))["status"]["phase"] == "Succeeded"
    assert not binding.done()
    (namespace / ".models.uid.new").rmdir()
    await binding
    assert (namespace / "models/weights").read_text() == "adopted"
    assert cluster.api.objects[running]["status"]["phase"] == "Running"


async def test_a_pod_that_fills_its_empty_dir_beyond_its_limit_is_evicted(
    any_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_limits, "CHECK_SECONDS", 0.1)
    volumes = [{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}, {"name": "free", "emptyDir": {}}]
    mounts = [{"name": "data", "mountPath": "/data"}, {"name": "free", "mountPath": "/free"}]
    script = "head -c 3M /dev/zero > /free/x; head -c 500k /dev/zero > /data/x; echo small; read line < /free/pipe"
    path = await any_cluster.run_pod(
        "a",
        ["sh", "-c", f"mkfifo /free/pipe; {script}; head -c 3M /dev/zero > /data/y; exec sleep 1000"],
        container={"volumeMounts": mounts},
        volumes=volumes,
    )
    await any_cluster.running(path)
    async with asyncio.timeout(10):
        while "small" not in any_cluster.log(path):
            await asyncio.sleep(0.01)
    assert any_cluster.api.objects[path]["status"]["phase"] == "Running"

    folder = any_cluster.directory / "pods" / any_cluster.uid(path) / "volumes/free"
    await asyncio.to_thread((folder / "pipe").write_text, "go on\n")

    status = (await any_cluster.finished(path))["status"]
    words = 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", words)
    assert (await any_cluster.event("Evicted"))["message"] == words


async def test_the_hosts_temporary_files_and_home_are_out_of_sight(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    script = f"ls -A /tmp $HOME; test -e {tmp_path}/secret || echo hidden; touch /tmp/x $HOME/x"
    path = await cluster.run_pod("a", ["sh", "-c", script])
    assert (await cluster.finished(path))["status"]["phase"] == "Succeeded"
    assert "hidden" in cluster.log(path)
    assert not Path("/tmp/x").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("/workspace", "/v/c", id="whole"),
        pytest.param("--dir=/workspace/output", "--dir=/v/c/output", id="within"),
        pytest.param("a:/workspace:/x", "a:/v/c:/x", id="in-a-list"),
        pytest.param("/workspaces/x", "/workspaces/x", id="longer-name"),
        pytest.param("/my/workspace", "/my/workspace", id="deeper"),
        pytest.param("/workspace.bak", "/workspace.bak", id="with-a-suffix"),
        pytest.param("read /workspace.", "read /v/c.", id="end-of-a-sentence"),
        pytest.param("tcp://j-node-0-0.j:29500", "tcp://127.0.0.1:29500", id="host-name"),
        pytest.param("j-node-0-1.j.ml.svc.cluster.local,x", "127.0.0.1,x", id="full-host-name"),
        pytest.param("j-node-0-0.j2", "j-node-0-0.j2", id="another-host"),
    ],
)
def test_without_namespaces_paths_and_names_are_replaced_where_they_stand_alone(text: str, expected: str) -> None:
    pod = {"metadata": {"namespace": "ml"}, "spec": {"subdomain": "j"}}
    rewrite = Rewriter(pod, folders={"/workspace": "/v/c"})
    assert rewrite(text) == expected
