"""What the log of a wait has: of which nodes, in which order, how often."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_kubeflow_trainer.cluster import followers, logs
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import from_kubeconfig
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.cluster.waiting import WaitSpec, wait
from airflow_kubeflow_trainer.local.cluster import LocalCluster
from tests.local.waiting.conftest import mounting
from tests.proxy import proxy_to

TWO_NODES: dict[str, Any] = {"trainer": {"numNodes": 2}}
SPEAK = "for step in 1 2 3; do echo $JOB_COMPLETION_INDEX says $step; done"


def spec_of(trainjob: dict[str, Any], **more: Any) -> WaitSpec:
    return WaitSpec(name=trainjob["metadata"]["name"], uid=trainjob["metadata"]["uid"], **more)


async def test_other_nodes_are_told_where_they_are_asked_for_each_in_order(
    api: TrainJobApi, make: Any, reporter: Any
) -> None:
    trainer = {"numNodes": 3}
    await wait(api, spec_of(await make(SPEAK, trainer=trainer), log_nodes=[2]), reporter)

    told = [f"0 says {step}" for step in (1, 2, 3)]
    assert [line for line in reporter.lines if line.startswith("0")] == told
    assert [line for line in reporter.lines if line.startswith("[")] == [
        f"[node-2] 2 says {step}" for step in (1, 2, 3)
    ]
    assert len(reporter.lines) == 6

    everybody = type(reporter)()
    await wait(api, spec_of(await make(SPEAK, trainer=trainer), log_nodes="all"), everybody)
    assert sorted(line[:8] for line in everybody.lines if line.startswith("[")) == ["[node-1]"] * 3 + ["[node-2]"] * 3


async def test_what_the_initializers_write_is_told_once_and_before_what_the_training_does(
    api: TrainJobApi, make: Any, reporter: Any, tmp_path: Path
) -> None:
    kinds = ("dataset", "model")
    for kind in kinds:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "some.json").write_text("{}")
    job = await make(
        "echo trained",
        runtime="torchtune-llama3.2-1b",
        trainer={"resourcesPerNode": {"limits": {"nvidia.com/gpu": "0"}}},
        initializer={kind: {"storageUri": (tmp_path / kind).as_uri()} for kind in kinds},
    )

    await wait(api, spec_of(job), reporter)

    before = reporter.lines[: reporter.lines.index("trained")]
    for kind in kinds:
        told = [line for line in reporter.lines if line.startswith(f"[{kind}-initializer] ")]
        assert told and set(told) <= set(before)
        assert len(set(told)) == len(told)


async def test_the_last_lines_of_a_node_that_fails_are_told_though_nobody_asked(
    api: TrainJobApi, make: Any, reporter: Any, gives_up_at_once: str
) -> None:
    script = "if [ $JOB_COMPLETION_INDEX = 1 ]; then seq 100; echo the reason; exit 5; fi; sleep 60"

    outcome = await wait(api, spec_of(await make(script, runtime=gives_up_at_once, **TWO_NODES)), reporter)

    told = [line for line in reporter.lines if line.startswith("[node-1]")]
    assert told == [*(f"[node-1] {number}" for number in range(82, 101)), "[node-1] the reason"]
    assert any("ended with exit code 5; its last lines:" in note for note in reporter.notes)
    assert outcome.log_tail[-1] == "the reason"


async def test_two_who_read_one_log_tell_the_same_at_the_same_times(api: TrainJobApi, make: Any, reporter: Any) -> None:
    """So that Airflow's reader, which drops equal records, shows a trigger's lines once wherever it has moved."""
    job = await make("echo hello; echo hello; sleep 1; exit 3", **TWO_NODES)
    other = type(reporter)()
    spec = spec_of(job, log_nodes=[1], max_restarts=1)

    await asyncio.gather(wait(api, spec, reporter), wait(api, spec, other))

    told = [text for _, text in reporter.timed]
    assert sorted(reporter.timed)[: len(other.timed)] == sorted(other.timed)[: len(reporter.timed)]
    assert told.count("hello") == 4
    marks = [text for text in told if "restarted in place" in text and "node-0-0-" in text]
    assert marks[0].endswith("(restart 1)")
    assert min(reporter.timed)[1] in ("hello", "[node-1] hello")


async def test_a_restart_that_the_watch_tells_of_late_doubles_no_line(
    local_cluster: LocalCluster, make: Any, reporter: Any
) -> None:
    """A log that ended is asked for again after a second, and is the next container's by then."""

    def fall_silent(text: str) -> None:
        proxy.mute = len(reporter.lines) == 1
        if not proxy.mute:
            proxy.cut()

    reporter.on_line = fall_silent
    async with (
        proxy_to(await from_kubeconfig(local_cluster.kubeconfig)) as proxy,
        Client(proxy.credentials()) as client,
    ):
        api = TrainJobApi(client, namespace="default")
        script = "echo hello; mkdir /extra/once 2>/dev/null || exec sleep 3; sleep 2; exit 3"
        job = await make(script, runtimePatches=[mounting({"emptyDir": {}})])
        await wait(api, spec_of(job), reporter)

    # As Airflow sorts them.
    told = [text for _, text in sorted(reporter.timed, key=lambda line: int(line[0].timestamp() * 1000))]
    assert (told[0], told[2:]) == ("hello", ["hello"])
    assert told[1].endswith("was restarted in place (restart 1)")


@pytest.mark.parametrize(
    ("silence", "silent_at_the_end"),
    [
        pytest.param(0.5, 15.0, id="while it runs"),
        pytest.param(300.0, 1.0, id="at its end"),
    ],
)
async def test_a_log_whose_connection_dies_without_a_word_is_read_by_another(
    local_cluster: LocalCluster,
    make: Any,
    reporter: Any,
    monkeypatch: pytest.MonkeyPatch,
    silence: float,
    silent_at_the_end: float,
) -> None:
    monkeypatch.setattr(logs, "SILENCE_SECONDS", silence)
    monkeypatch.setattr(logs, "RECONNECT_SECONDS", 0.1)
    monkeypatch.setattr(followers, "SILENT_SECONDS", silent_at_the_end)
    asked: list[str] = []

    def die(text: str) -> None:
        if text == "first":
            proxy.forget_logs()

    def count(request: web.Request) -> None:
        if "follow" in request.query:
            asked.append(request.query.get("sinceTime", ""))

    reporter.on_line = die
    async with (
        proxy_to(await from_kubeconfig(local_cluster.kubeconfig)) as proxy,
        Client(proxy.credentials()) as client,
    ):
        proxy.fault = count
        job = await make("echo first; sleep 2; echo second; sleep 2; echo third")
        await wait(TrainJobApi(client, namespace="default"), spec_of(job), reporter)

    assert reporter.lines == ["first", "second", "third"]
    assert not any("not read to its end" in note for note in reporter.notes)
    assert len(asked) >= 2
    assert all(asked[1:])
