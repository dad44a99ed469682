"""What happens to a pod on this node."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

Cluster = Any


def terminated(pod: dict[str, Any]) -> dict[str, Any]:
    """Return how a pod's first container ended."""
    state: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state


async def test_a_pod_goes_from_pending_over_running_to_succeeded(any_cluster: Cluster) -> None:
    path = await any_cluster.run_pod("a", ["sh", "-c", "echo hello; echo trouble >&2"])
    pod = await any_cluster.finished(path)

    phases = [version["status"]["phase"] for version in any_cluster.api.history]
    assert list(dict.fromkeys(phases)) == ["Pending", "Running", "Succeeded"]
    assert terminated(pod)["reason"] == "Completed"
    assert terminated(pod)["exitCode"] == 0
    assert any_cluster.log(path) == "hello\ntrouble\n"
    assert {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"] == "False"
    assert pod["status"]["podIP"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        pytest.param("exit 3", 3, "Error", id="exit-code"),
        pytest.param("kill -SEGV $$$$", 139, "Error", id="signal-is-128-and-its-number"),
    ],
)
async def test_a_failed_container_says_how_it_ended(any_cluster: Cluster, command: str, code: int, reason: str) -> None:
    pod = await any_cluster.finished(await any_cluster.run_pod("a", ["sh", "-c", command]))
    assert pod["status"]["phase"] == "Failed"
    assert (terminated(pod)["exitCode"], terminated(pod)["reason"]) == (code, reason)


async def test_a_program_that_does_not_exist_is_a_start_error(any_cluster: Cluster) -> None:
    pod = await any_cluster.finished(await any_cluster.run_pod("a", ["no-such-program"]))
    assert terminated(pod)["reason"] == "StartError"
    assert terminated(pod)["exitCode"] == 128
    assert 'exec: "no-such-program": executable file not found in $PATH' in terminated(pod)["message"]


async def test_an_image_that_is_not_mapped_waits_and_says_how_to_map_it(cluster: Cluster) -> None:
    path = await cluster.run_pod("a", ["true"], container={"image": "ghcr.io/acme/trainer:v1"})
    waiting = await cluster.waiting(path, "ErrImagePull")
    assert "--image 'ghcr.io/acme/trainer=" in waiting["message"]
    assert "ghcr.io/acme/trainer" in (await cluster.waiting(path, "ImagePullBackOff"))["message"]
    assert cluster.api.objects[path]["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    ("size", "policy", "expected"),
    [
        pytest.param(5000, "File", 4096, id="file-is-cut-at-4096-bytes"),
        pytest.param(0, "FallbackToLogsOnError", 2048, id="log-is-cut-at-2048-bytes"),
        pytest.param(0, "File", 0, id="log-is-not-asked-for"),
    ],
)
async def test_the_termination_message_is_bounded(any_cluster: Cluster, size: int, policy: str, expected: int) -> None:
    script = f"head -c {size} /dev/zero | tr '\\0' x > /dev/termination-log; yes log | head -c 3000; exit 1"
    container = {"terminationMessagePolicy": policy}
    pod = await any_cluster.finished(await any_cluster.run_pod("a", ["sh", "-c", script], container=container))
    message = terminated(pod).get("message", "")
    assert len(message) <= expected
    assert len(message.splitlines()) <= 80
    if expected == 2048:
        assert message.endswith(("log\nl\n", "log\n"))


async def test_on_failure_restarts_until_it_succeeds_and_keeps_the_last_end(cluster: Cluster) -> None:
    script = "test -e /data/second && exit 0; touch /data/second; exit 7"
    path = await cluster.run_pod(
        "a",
        ["sh", "-c", script],
        container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        volumes=[{"name": "data", "emptyDir": {}}],
        restartPolicy="OnFailure",
    )
    pod = await cluster.finished(path)
    status = pod["status"]["containerStatuses"][0]
    assert pod["status"]["phase"] == "Succeeded"
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 7


async def test_the_second_restart_backs_off(idle: Cluster) -> None:
    await idle.start(restart_backoff_seconds=60.0)
    path = await idle.run_pod("a", ["false"], restartPolicy="Always")
    waiting = await idle.waiting(path, "CrashLoopBackOff")
    assert waiting["message"].startswith("back-off 60s restarting failed container=node pod=a_default(")
    pod = idle.api.objects[path]
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1


async def test_init_containers_run_in_order_before_the_others(cluster: Cluster) -> None:
    mount = {"image": "python:3.11", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}

    def step(name: str) -> dict[str, Any]:
        return {"name": name, "command": ["sh", "-c", f"echo {name} >> /data/order"], **mount}

    path = await cluster.run_pod(
        "a",
        ["cat", "/data/order"],
        container=mount,
        initContainers=[step("first"), step("second")],
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    pod = await cluster.finished(path)
    assert cluster.log(path) == "first\nsecond\n"
    assert [status["ready"] for status in pod["status"]["initContainerStatuses"]] == [True, True]


async def test_a_failed_init_container_fails_the_pod_and_nothing_else_runs(cluster: Cluster) -> None:
    init = {"name": "init", "image": "python:3.11", "command": ["false"]}
    pod = await cluster.finished(await cluster.run_pod("a", ["true"], initContainers=[init]))
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


async def test_deletion_lets_the_program_end_by_itself(any_cluster: Cluster) -> None:
    script = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    path = await any_cluster.run_pod("a", ["sh", "-c", script])
    await any_cluster.running(path)
    await _logged(any_cluster, path, "ready")
    await any_cluster.api.delete(path)
    await any_cluster.api.until(path, lambda pod: not pod)
    assert any_cluster.api.history[-1]["status"]["phase"] == "Succeeded"


async def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(any_cluster: Cluster) -> None:
    script = "trap '' TERM; (trap '' TERM; setsid sleep 98765) & echo ready; while :; do sleep 0.1; done"
    path = await any_cluster.run_pod("a", ["sh", "-c", script], terminationGracePeriodSeconds=1)
    await any_cluster.running(path)
    await _logged(any_cluster, path, "ready")
    await any_cluster.api.delete(path)
    await any_cluster.api.until(path, lambda pod: not pod)
    ends = [version for version in any_cluster.api.history if version["status"]["phase"] == "Failed"]
    assert terminated(ends[-1])["exitCode"] == 137
    assert not _processes("sleep 98765")


async def test_the_deadline_of_a_pod_fails_it(cluster: Cluster) -> None:
    path = await cluster.run_pod("a", ["sleep", "1000"], activeDeadlineSeconds=1)
    pod = await cluster.finished(path)
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_a_container_over_its_memory_limit_is_killed_with_its_whole_group(any_cluster: Cluster) -> None:
    hog = "import os, time; os.fork(); os.fork(); x = bytearray(60 << 20); time.sleep(1000)"
    path = await any_cluster.run_pod(
        "a", ["python", "-c", hog], container={"resources": {"limits": {"memory": "150Mi"}}}
    )
    pod = await any_cluster.finished(path)
    assert (terminated(pod)["exitCode"], terminated(pod)["reason"]) == (137, "OOMKilled")
    assert not _processes(hog)


async def test_memory_below_the_limit_is_left_alone(cluster: Cluster) -> None:
    # 100 MiB shared by three processes count once.
    script = "import os, time; x = bytearray(100 << 20); os.fork() and os.fork(); time.sleep(1)"
    limits = {"resources": {"limits": {"memory": "200Mi"}}}
    pod = await cluster.finished(await cluster.run_pod("a", ["python", "-c", script], container=limits))
    assert pod["status"]["phase"] == "Succeeded"


async def test_the_hosts_environment_is_not_inherited(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    path = await cluster.run_pod("a", ["env"])
    await cluster.finished(path)
    names = {line.partition("=")[0] for line in cluster.log(path).splitlines()}
    assert names == {"PATH", "HOME", "LANG", "HOSTNAME"}


async def test_a_missing_secret_is_waited_for(cluster: Cluster) -> None:
    reference = {"secretKeyRef": {"name": "hf", "key": "token"}}
    path = await cluster.run_pod(
        "a", ["sh", "-c", 'test "$TOKEN" = abc'], container={"env": [{"name": "TOKEN", "valueFrom": reference}]}
    )
    assert (await cluster.waiting(path, "CreateContainerConfigError"))["message"] == 'secret "hf" not found'
    assert (await cluster.event("Failed"))["message"] == 'Error: secret "hf" not found'
    await cluster.api.create(
        "/api/v1/namespaces/default/secrets", {"metadata": {"name": "hf"}, "data": {"token": "YWJj"}}
    )
    assert (await cluster.finished(path))["status"]["phase"] == "Succeeded"


async def _logged(cluster: Cluster, path: str, text: str) -> None:
    while text not in cluster.log(path):
        await asyncio.sleep(0.02)


def _processes(command: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words.startswith(command) or f"-c {command}" in words:
            found.append(int(folder.name))
    return found


async def test_the_output_of_a_program_that_dies_by_a_signal_is_complete(cluster: Cluster) -> None:
    script = "import os; print('x' * 100_000, end='', flush=True); os.kill(os.getpid(), 9)"
    path = await cluster.run_pod("a", ["python", "-c", script])
    pod = await cluster.finished(path)
    assert terminated(pod)["exitCode"] == 128 + signal.SIGKILL
    assert cluster.log(path) == "x" * 100_000 + "\n"
