"""The initializer programs fetch what Trainer's images fetch, and say clearly why they cannot."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hub import Private, serving_hub

HUB_FILES = {
    "models": {"acme/tiny": {"config.json": b"{}", "model.safetensors": b"weights", "model.bin": b"old"}},
    "datasets": {"acme/rows": {"data/train.json": b"[]", "README.md": b"# rows"}},
}
TOKEN = "hf_secret"
PRIVATE = "acme/private"


@dataclass
class Result:
    code: int
    last_line: str
    termination: str
    workspace: Path

    def files(self) -> dict[str, bytes]:
        """Return what was fetched, without the hub client's own notes."""
        found = [path for path in self.workspace.rglob("*") if path.is_file() and ".cache" not in path.parts]
        return {str(path.relative_to(self.workspace)): path.read_bytes() for path in found}


async def initialize(tmp_path: Path, kind: str, *, host_root: str = "/", **env: str) -> Result:
    """Run an initializer as the kubelet does, with an environment of its own."""
    workspace, termination = tmp_path / "workspace", tmp_path / "termination"
    workspace.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "airflow_kubeflow_trainer.local.initializers", kind),
        *("--workspace", str(workspace), "--host-root", host_root, "--termination-log", str(termination)),
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", **env},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    message = termination.read_text() if termination.exists() else ""
    lines = errors.decode().splitlines() or [""]
    return Result(process.returncode or 0, lines[-1], message, workspace)


@pytest.fixture
async def hub() -> AsyncIterator[str]:
    """A hub with a model, a data set, and one repository that wants a token."""
    private = {PRIVATE: Private(token=TOKEN, files={"config.json": b"{}"})}
    async with serving_hub(HUB_FILES, private=private) as url:
        yield url


async def test_a_model_comes_from_the_hub_without_what_trainer_leaves_out(tmp_path: Path, hub: str) -> None:
    result = await initialize(tmp_path, "model", STORAGE_URI="hf://acme/tiny", HF_ENDPOINT=hub)
    assert result.code == 0, result.last_line
    assert result.files() == {"model/config.json": b"{}", "model/model.safetensors": b"weights"}


async def test_a_data_set_comes_whole_whatever_path_follows_its_name(tmp_path: Path, hub: str) -> None:
    result = await initialize(tmp_path, "dataset", STORAGE_URI="hf://acme/rows/data/train.json", HF_ENDPOINT=hub)
    assert result.code == 0, result.last_line
    assert result.files() == {"dataset/data/train.json": b"[]", "dataset/README.md": b"# rows"}


async def test_ignore_patterns_leave_files_out(tmp_path: Path, hub: str) -> None:
    result = await initialize(
        tmp_path, "dataset", STORAGE_URI="hf://acme/rows", HF_ENDPOINT=hub, IGNORE_PATTERNS="*.md, *.txt"
    )
    assert set(result.files()) == {"dataset/data/train.json"}


async def test_a_private_model_opens_with_its_token_only(tmp_path: Path, hub: str) -> None:
    uri = f"hf://{PRIVATE}"
    refused = await initialize(tmp_path, "model", STORAGE_URI=uri, HF_ENDPOINT=hub)
    assert refused.code == 1
    assert refused.last_line == (
        f"model initializer: model {PRIVATE} at {hub} was not found, or is private and ACCESS_TOKEN does not open it"
    )
    assert refused.termination == refused.last_line
    opened = await initialize(tmp_path, "model", STORAGE_URI=uri, HF_ENDPOINT=hub, ACCESS_TOKEN=TOKEN)
    assert opened.code == 0, opened.last_line
    assert set(opened.files()) == {"model/config.json"}


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    """A local S3 server with a bucket of two objects and a marker."""
    import boto3

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
    )
    client.create_bucket(Bucket="lake")
    for key in ("rows/a.json", "rows/deep/b.json", "rows/deep/", "other.json"):
        client.put_object(Bucket="lake", Key=key, Body=key.encode())
    yield endpoint
    server.stop()


S3_KEYS = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("uri", "ignored", "expected"),
    [
        pytest.param("s3://lake/rows", "", ["dataset/a.json", "dataset/deep/b.json"], id="prefix"),
        pytest.param("s3://lake/rows/", "*deep*", ["dataset/a.json"], id="ignored"),
        pytest.param("s3://lake/rows/a.json", "", ["dataset/a.json"], id="one-object"),
        pytest.param("s3://lake/none", "", [], id="no-object"),
    ],
)
async def test_objects_come_from_s3_below_their_prefix(
    tmp_path: Path, s3_endpoint: str, uri: str, ignored: str, expected: list[str]
) -> None:
    env = {"STORAGE_URI": uri, "ENDPOINT": s3_endpoint, "IGNORE_PATTERNS": ignored, **S3_KEYS}
    result = await initialize(tmp_path, "dataset", **env)
    assert result.code == 0, result.last_line
    assert sorted(result.files()) == expected


async def test_a_bucket_that_does_not_exist_is_named(tmp_path: Path, s3_endpoint: str) -> None:
    result = await initialize(tmp_path, "model", STORAGE_URI="s3://none/x", ENDPOINT=s3_endpoint, **S3_KEYS)
    assert result.code == 1
    assert "s3://none/x cannot be downloaded" in result.termination
    assert "NoSuchBucket" in result.termination


async def test_a_folder_of_this_machine_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "host" / "data sets"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.json").write_text("[]")
    (source / "b.bin").write_text("x")
    result = await initialize(
        tmp_path,
        "dataset",
        host_root=str(tmp_path / "host"),
        STORAGE_URI="file:///data%20sets",
        IGNORE_PATTERNS="*.bin",
    )
    assert result.code == 0, result.last_line
    assert result.files() == {"dataset/deep/a.json": b"[]"}


async def test_a_single_file_of_this_machine_is_copied_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    result = await initialize(tmp_path, "dataset", STORAGE_URI=f"file://{tmp_path}/rows.json")
    assert result.files() == {"dataset/rows.json": b"[]"}


@pytest.mark.parametrize(
    ("kind", "env", "message"),
    [
        pytest.param("model", {}, "STORAGE_URI must be set", id="no-uri"),
        pytest.param("model", {"STORAGE_URI": "gs://x/y"}, "must begin with one of hf://, s3://, file://", id="scheme"),
        pytest.param("dataset", {"STORAGE_URI": "hf://squad"}, "as hf://owner/name", id="no-owner"),
        pytest.param("model", {"STORAGE_URI": "file:///no/such"}, "/no/such does not exist", id="no-file"),
        pytest.param("model", {"STORAGE_URI": "file://x/y"}, "must be file:///absolute/path", id="relative"),
        pytest.param(
            "model",
            {"STORAGE_URI": "hf://a/b", "HF_ENDPOINT": "http://127.0.0.1:1"},
            "model a/b at http://127.0.0.1:1 cannot be downloaded",
            id="unreachable-hub",
        ),
    ],
)
async def test_a_failure_is_one_clear_last_line(tmp_path: Path, kind: str, env: dict[str, str], message: str) -> None:
    result = await initialize(tmp_path, kind, **env)
    assert result.code == 1
    assert result.last_line.startswith(f"{kind} initializer: ")
    assert message in result.last_line
    assert result.termination == result.last_line
