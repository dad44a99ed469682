"""Logs are written as containerd writes them, and served as the kubelet serves them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import re
import resource
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from airflow_kubeflow_trainer.local.kubelet import log_segments
from airflow_kubeflow_trainer.local.kubelet.log_reader import LogOptions, read_log
from airflow_kubeflow_trainer.local.kubelet.supervisor.log_file import LogFile
from airflow_kubeflow_trainer.local.kubelet.supervisor.log_writer import LONGEST_LINE_BYTES, LogWriter
from tests.local.disks import largest_file

Cluster = Any
RECORD = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] (.*)", re.DOTALL)


def log_file(path: Path, *, segment_bytes: int = 2**30, segments: int = 1, told: list[str] | None = None) -> LogFile:
    """Return an empty log, whose complaints end up in a list."""
    log_segments.delete(path)
    complain = (told if told is not None else []).append
    return LogFile(str(path), segment_bytes=segment_bytes, segments=segments, on_failure=complain)


def written(path: Path, chunks: list[bytes], **bounds: int) -> list[bytes]:
    """Return the records that a writer makes of one stream's chunks."""
    writer = LogWriter(log_file(path, **bounds))
    for chunk in chunks:
        writer.feed("stdout", chunk)
    writer.end()
    files = [log_segments.segment_path(path, number) for number in log_segments.segment_numbers(path)]
    return b"".join(file.read_bytes() for file in files).split(b"\n")[:-1]


async def read(path: Path, **options: Any) -> bytes:
    blocks = [block async for block in read_log(path, LogOptions(**options), ended=lambda: True)]
    return b"".join(blocks)


@given(st.lists(st.text(st.sampled_from("ab\n"), max_size=9).map(str.encode), max_size=9))
async def test_what_is_written_is_read_again_however_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "log"
    assert all(RECORD.fullmatch(record) for record in written(path, chunks))
    text = b"".join(chunks)
    expected = text if not text or text.endswith(b"\n") else text + b"\n"
    assert await read(path) == expected


@given(
    lines=st.lists(st.text(st.sampled_from("aF P\r"), max_size=60).map(str.encode), min_size=1, max_size=6),
    tail=st.integers(0, 7),
)
async def test_a_tail_is_whole_lines_whatever_progress_bars_they_hold(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], tail: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "tail"
    written(path, [line + b"\n" for line in lines])

    expected = lines[len(lines) - tail :] if tail < len(lines) else lines
    assert await read(path, tail_lines=tail) == b"".join(line + b"\n" for line in expected)


@given(
    lines=st.lists(st.text(st.sampled_from("aF P\r"), max_size=40).map(str.encode), min_size=1, max_size=12),
    tail=st.none() | st.integers(0, 7),
)
async def test_a_log_in_many_segments_reads_as_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], tail: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "segments"
    written(path, [line + b"\n" for line in lines], segment_bytes=120, segments=100)
    assert len(log_segments.segment_numbers(path)) >= len(lines) // 3
    expected = lines if tail is None else lines[max(0, len(lines) - tail) :]
    assert await read(path, tail_lines=tail) == b"".join(line + b"\n" for line in expected)


async def test_of_a_long_log_the_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, [b"%d\n" % n for n in range(1000)], segment_bytes=1000, segments=3)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 * 1100
    kept = (await read(path)).split()
    assert 40 <= len(kept) <= 100
    assert kept == [b"%d" % n for n in range(1000 - len(kept), 1000)]
    assert await read(path, tail_lines=30) == b"".join(b"%d\n" % n for n in range(970, 1000))


async def test_who_follows_a_log_misses_nothing_where_it_begins_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = LogWriter(log_file(path, segment_bytes=100, segments=2))
    writer.feed("stdout", b"0\n")
    over = False
    got = read_log(path, LogOptions(follow=True), ended=lambda: over)
    for number in range(1, 20):
        assert await anext(got) == b"%d\n" % (number - 1)
        writer.feed("stdout", b"%d\n" % number)
    over = True
    assert [block async for block in got] == [b"19\n"]


@pytest.mark.parametrize("room", [0, 1, 30, 45, 60], ids=lambda room: f"room-for-{room}-bytes")
async def test_what_cannot_be_written_is_told_once_and_marked_as_lost(tmp_path: Path, room: int) -> None:
    path, told = tmp_path / "log", list[str]()
    writer = LogWriter(log_file(path, told=told))
    writer.feed("stdout", b"before\n")
    with largest_file(path.stat().st_size + room):
        writer.feed("stdout", b"one\ntwo\n")
        writer.feed("stdout", b"three\n")
    writer.feed("stdout", b"after\n")
    whole = [b"one"] if room >= 45 else []
    marker = b"[%d lines lost here: the log could not be written: File too large]" % (3 - len(whole))
    lines = [line for line in (await read(path)).split(b"\n") if line not in (b"", b"t", b"tw", b"two")]
    assert lines == [b"before", *whole, marker, b"after"]
    assert told == ["File too large"]


async def test_lines_lost_at_the_end_are_marked_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = LogWriter(log_file(path))
    with largest_file(0):
        writer.feed("stdout", b"one\n")
    writer.end()
    assert await read(path) == b"[1 line lost here: the log could not be written: File too large]\n"


async def test_a_container_goes_on_without_its_log(idle: Cluster, served: Callable[..., Any], tmp_path: Path) -> None:
    script = "echo first; until test -e /flags/1; do sleep .02; done; echo lost; until test -e /flags/2; do sleep .02;"
    path = await idle.run_pod(
        "a",
        ["sh", "-c", script + " done; echo last"],
        container={"volumeMounts": [{"name": "flags", "mountPath": "/flags"}]},
        volumes=[{"name": "flags", "hostPath": {"path": str(tmp_path)}}],
    )
    await idle.running(path)
    while "first" not in (await served("a"))[1]:
        await asyncio.sleep(0.02)
    supervisors = supervisors_of_containers()
    for process in supervisors:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    (tmp_path / "1").touch()
    event = await idle.event("LogNotWritten")
    for process in supervisors:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (tmp_path / "2").touch()
    pod = await idle.finished(path)
    assert pod["status"]["phase"] == "Succeeded"
    assert event["message"].startswith("The log of container node cannot be written: File too large. It goes on")
    assert (await served("a"))[1].split("\n")[-3:] == [
        "[1 line lost here: the log could not be written: File too large]",
        "last",
        "",
    ]


async def test_a_container_whose_end_cannot_be_written_down_ends_as_it_did(idle: Cluster, tmp_path: Path) -> None:
    await idle.start()
    script = "until test -e /flags/1; do sleep .02; done; exit 3"
    path = await idle.run_pod(
        "a",
        ["sh", "-c", script],
        container={"volumeMounts": [{"name": "flags", "mountPath": "/flags"}]},
        volumes=[{"name": "flags", "hostPath": {"path": str(tmp_path)}}],
    )
    await idle.running(path)
    for process in supervisors_of_containers():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    (tmp_path / "1").touch()
    pod = await idle.finished(path)
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def supervisors_of_containers() -> list[psutil.Process]:
    """The processes that look after containers; others of this test's come and go."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "supervisor" in " ".join(process.cmdline()):
                found.append(process)
    return found


async def test_a_long_line_is_written_in_parts_of_16_kib_and_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    line = b"x" * (2 * LONGEST_LINE_BYTES + 5)
    records = written(path, [line + b"\n" + b"short\n"])
    assert [record.split(b" ")[2] for record in records] == [b"P", b"P", b"F", b"F"]
    assert max(len(record.split(b" ", 3)[3]) for record in records) == LONGEST_LINE_BYTES
    assert await read(path, tail_lines=2) == line + b"\nshort\n"
    assert (await read(path, timestamps=True)).count(b"Z ") == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, "1\n2\n3\n4\n", id="all"),
        pytest.param({"tail_lines": 2}, "3\n4\n", id="tail"),
        pytest.param({"tail_lines": 0}, "", id="tail-of-nothing"),
        pytest.param({"tail_lines": 9}, "1\n2\n3\n4\n", id="tail-longer-than-the-log"),
        pytest.param({"limit_bytes": 3}, "1\n2", id="limit"),
        pytest.param({"tail_lines": 2, "limit_bytes": 2}, "3\n", id="tail-and-limit"),
        pytest.param({"since": 1767225603.0}, "3\n4\n", id="since"),
    ],
)
async def test_a_reader_gets_what_it_asks_for(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"2026-01-01T00:00:0{n}.000000000Z stdout F {n}\n" for n in range(1, 5)))
    assert (await read(path, **options)).decode() == expected


async def test_the_tail_of_a_huge_log_is_found_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as file:
        file.truncate(2**34)
        file.seek(0, os.SEEK_END)
        file.write("\n" + "".join(f"2026-01-01T00:00:00.000000000Z stdout F {n}\n" for n in range(20_000)))
    assert (await read(path, tail_lines=2)) == b"19998\n19999\n"


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    """Make client contexts whose certificate a named authority has signed; the file NAME.crt is that authority."""

    def context(name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (tmp_path / f"{name}.key").write_bytes(private)
        made = ssl.create_default_context()
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        made.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        return made

    return context


@pytest.fixture
async def served(
    idle: Cluster, authority: Callable[[str], ssl.SSLContext], tmp_path: Path
) -> AsyncIterator[Callable[..., Any]]:
    """A kubelet that serves logs; gives a function that asks for one and returns status and text."""
    context, _ = authority("ca"), authority("colleague")
    bundle = tmp_path / "authorities.crt"
    bundle.write_bytes((tmp_path / "ca.crt").read_bytes() + (tmp_path / "colleague.crt").read_bytes())
    await idle.start(client_ca_file=bundle, restart_backoff_seconds=60.0)
    port = idle.api.objects["/api/v1/nodes/local"]["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    async with aiohttp.ClientSession() as session:

        async def get(
            pod: str, *, tls: ssl.SSLContext = context, opened: asyncio.Event | None = None, **query: str
        ) -> tuple[int, str]:
            url = f"https://127.0.0.1:{port}/containerLogs/default/{pod}/node"
            async with session.get(url, params=query, ssl=tls) as response:
                if opened is not None:
                    await response.content.readuntil(b"\n")
                    opened.set()
                return response.status, await response.text()

        yield get


async def test_a_log_is_served_to_a_client_certificate_and_to_nobody_else(
    idle: Cluster, served: Callable[..., Any], authority: Callable[[str], ssl.SSLContext]
) -> None:
    await idle.finished(await idle.run_pod("a", ["sh", "-c", "echo one; echo two"]))
    assert await served("a") == (200, "one\ntwo\n")
    nobody = ssl.create_default_context()
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    for stranger in (nobody, authority("stranger")):
        with pytest.raises((aiohttp.ClientError, OSError)):
            await served("a", tls=stranger)


async def test_a_log_is_refused_to_who_may_not_read_it_whatever_their_certificate(
    idle: Cluster, served: Callable[..., Any], tmp_path: Path
) -> None:
    await idle.finished(await idle.run_pod("a", ["sh", "-c", "echo one"]))
    colleague = ssl.create_default_context()
    colleague.check_hostname, colleague.verify_mode = False, ssl.CERT_NONE
    colleague.load_cert_chain(tmp_path / "colleague.crt", tmp_path / "colleague.key")

    status, text = await served("a", tls=colleague)

    assert (status, text) == (403, "Forbidden (user=colleague, verb=get, resource=nodes, subresource=proxy)\n")


async def test_a_log_is_refused_while_nobody_says_who_may_read_it(idle: Cluster, served: Callable[..., Any]) -> None:
    await idle.finished(await idle.run_pod("a", ["sh", "-c", "echo one"]))
    idle.api.down = True

    status, text = await served("a")

    assert status == 500
    assert text.startswith("Authorization error: ")


async def test_following_ends_with_the_container_and_misses_nothing(
    idle: Cluster, served: Callable[..., Any], tmp_path: Path
) -> None:
    script = "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done; sleep 0.3; echo last"
    path = await idle.run_pod("a", ["sh", "-c", script])
    await idle.running(path)
    status, text = await served("a", follow="true")
    assert (status, text) == (200, "".join(f"{i}\n" for i in range(200)) + "last\n")


async def test_a_progress_bar_on_stderr_leaves_the_lines_of_stdout_whole(
    idle: Cluster, served: Callable[..., Any]
) -> None:
    script = "for i in 1 2 3; do printf '\\r%s%%' $i >&2; echo step $i; sleep 0.1; done; echo >&2; sleep 1000"
    path = await idle.run_pod("a", ["sh", "-c", script])
    await idle.running(path)
    async with asyncio.timeout(10):
        while "3%" not in (text := (await served("a"))[1]):
            await asyncio.sleep(0.05)
    assert text == "step 1\nstep 2\nstep 3\n\r1%\r2%\r3%\n"


async def test_following_ends_with_a_pod_that_is_taken_away_at_once(idle: Cluster, served: Callable[..., Any]) -> None:
    path = await idle.run_pod("a", ["sh", "-c", "echo hi; exec sleep 1000"])
    await idle.running(path)
    opened = asyncio.Event()
    following = asyncio.create_task(served("a", follow="true", opened=opened))

    async with asyncio.timeout(20):
        await opened.wait()
        await idle.api.delete(path, grace=0)
        assert await following == (200, "")


async def test_the_log_of_the_run_before_is_kept(idle: Cluster, served: Callable[..., Any]) -> None:
    data = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    script = "echo run; test -e /data/x && exec sleep 1000; touch /data/x; exit 1"
    volumes = [{"name": "data", "emptyDir": {}}]
    path = await idle.run_pod("a", ["sh", "-c", script], container=data, volumes=volumes, restartPolicy="OnFailure")
    await idle.api.until(
        path,
        lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("restartCount") == 1,
    )
    assert await served("a", previous="true") == (200, "run\n")


@pytest.mark.parametrize("query", [{}, {"previous": "true"}], ids=["the log", "the previous log"])
async def test_before_another_restart_there_is_the_log_of_the_run_that_failed_last(
    idle: Cluster, served: Callable[..., Any], query: dict[str, str]
) -> None:
    """While it waits there is no present one, and the restart to come is not counted."""
    data = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    script = "mkdir /data/once 2>/dev/null && echo first || echo second; exit 1"
    volumes = [{"name": "data", "emptyDir": {}}]
    path = await idle.run_pod("a", ["sh", "-c", script], container=data, volumes=volumes, restartPolicy="OnFailure")
    await idle.waiting(path, "CrashLoopBackOff")

    assert await served("a", **query) == (200, "second\n")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param({"previous": "true"}, 'previous terminated container "node" in pod "a" not found', id="previous"),
        pytest.param({}, 'container "node" in pod "a" is waiting to start: ErrImagePull', id="waiting"),
        pytest.param({"tailLines": "x"}, "Unable to decode the query", id="not-a-number"),
    ],
)
async def test_a_log_that_is_not_there_is_refused_with_the_reason(
    idle: Cluster, served: Callable[..., Any], query: dict[str, str], message: str
) -> None:
    path = await idle.run_pod("a", ["true"], container={"image": "unknown"})
    await idle.waiting(path, "ErrImagePull")
    status, text = await served("a", **query)
    assert status == 400
    assert message in text


async def test_the_log_of_no_pod_is_not_found(served: Callable[..., Any]) -> None:
    assert (await served("none"))[0] == 404
