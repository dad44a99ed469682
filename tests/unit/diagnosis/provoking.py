"""Has real programs fail: each function here brings about one failure, by the library's own code.

What they write is kept in recorded.json, since it takes minutes; ``python tests/unit/diagnosis/provoking.py`` writes it
anew, and has to be run where torch, TorchTune or a client has another version.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("recorded.json")
FAILURES: dict[str, dict[str, Callable[[], Any]]] = {"torch": {}, "torchrun": {}, "hub": {}, "python": {}}
"""By what they need, then by the name of the catalogue's entry; ``name/variant`` for a second one of the same."""


def failure(group: str, name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def register(function: Callable[[], Any]) -> Callable[[], Any]:
        FAILURES[group][name] = function
        return function

    return register


# --- torch ---


@failure("torch", "host-allocation-refused")
def _() -> Any:
    import torch

    return torch.empty(10**15)


@failure("torch", "no-gpu-driver")
def _() -> Any:
    # CUDA cannot begin in a fork.
    os.execv(sys.executable, [sys.executable, "-c", "import torch; torch.zeros(1).cuda()"])


@failure("torch", "no-gpu-visible")
def _() -> Any:
    import torch.distributed

    torch.distributed.init_process_group("nccl", init_method="tcp://127.0.0.1:29871", rank=0, world_size=1)


@failure("torch", "more-processes-than-gpus")
def _() -> Any:
    import torch
    from torchtune.utils import get_device

    torch.cuda.is_available = lambda: True  # type: ignore[assignment]
    torch.cuda.device_count = lambda: 1  # type: ignore[assignment]
    os.environ["LOCAL_RANK"] = "1"
    return get_device("cuda")


@failure("torch", "device-mismatch")
def _() -> Any:
    import torch

    return torch.ones(2) + torch.ones(2, device="meta")


@failure("torch", "dtype-mismatch")
def _() -> Any:
    import torch

    return torch.ones(2, 2, dtype=torch.float16) @ torch.ones(2, 2)


@failure("torch", "shape-mismatch")
def _() -> Any:
    import torch

    return torch.nn.Linear(2, 2)(torch.ones(1, 3))


@failure("torch", "index-out-of-range")
def _() -> Any:
    import torch

    return torch.nn.Embedding(4, 2)(torch.tensor([7]))


@failure("torch", "device-unknown")
def _() -> Any:
    import torch

    return torch.device("gpu")


@failure("torch", "rendezvous-unreachable")
def _() -> Any:
    from datetime import timedelta

    from torch.distributed import TCPStore

    return TCPStore("127.0.0.1", 1, is_master=False, timeout=timedelta(milliseconds=300))


@failure("torch", "rendezvous-incomplete")
def _() -> Any:
    from datetime import timedelta

    from torch.distributed import TCPStore

    return TCPStore("127.0.0.1", 0, world_size=2, is_master=True, timeout=timedelta(milliseconds=300))


@failure("torch", "port-in-use")
def _() -> Any:
    from torch.distributed import TCPStore

    first = TCPStore("127.0.0.1", 0, world_size=1, is_master=True)
    return TCPStore("127.0.0.1", first.port, world_size=1, is_master=True)


@failure("torch", "store-timeout")
def _() -> Any:
    from datetime import timedelta

    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, world_size=1, is_master=True)
    store.set_timeout(timedelta(milliseconds=300))
    return store.get("another")


@failure("torch", "process-group-missing")
def _() -> Any:
    import torch.distributed

    return torch.distributed.get_rank()


@failure("torch", "checkpoint-does-not-fit")
def _() -> Any:
    import torch

    torch.nn.Linear(2, 2).load_state_dict(torch.nn.Linear(3, 2).state_dict())


@failure("torch", "checkpoint-write-failed")
def _() -> Any:
    import torch

    torch.save(torch.ones(100_000), "/dev/full")


@failure("torch", "checkpoint-not-safetensors")
def _() -> Any:
    import safetensors.torch

    Path("pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 24\n")
    return safetensors.torch.load_file("pointer.safetensors")


class _Rows:
    """A data set whose reading ends as it is told."""

    def __init__(self, fail: Callable[[], Any]) -> None:
        self.fail = fail

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.fail()


def _load(fail: Callable[[], Any]) -> None:
    from torch.utils.data import DataLoader

    list(DataLoader(_Rows(fail), num_workers=1))  # type: ignore[arg-type]


@failure("torch", "data-worker-killed")
def _() -> Any:
    _load(lambda: os.kill(os.getpid(), signal.SIGKILL))


@failure("torch", "shared-memory-bus-error")
def _() -> Any:
    _load(lambda: os.kill(os.getpid(), signal.SIGBUS))


@failure("torch", "torchtune-column-missing/worker")
def _() -> Any:
    from torchtune.data import InputOutputToMessages

    _load(lambda: InputOutputToMessages()({"instruction": "a", "output": "b"}))


@failure("torch", "torchtune-column-missing")
def _() -> Any:
    from torchtune.data import AlpacaToMessages

    return AlpacaToMessages()({"text": "a"})


@failure("torch", "torchtune-column-map")
def _() -> Any:
    from torchtune.data import InputOutputToMessages

    return InputOutputToMessages(column_map={"inputs": "a"})


@failure("torch", "torchtune-component-unknown")
def _() -> Any:
    return _instantiate({"_component_": "torchtune.models.llama3_2.lora_llama_1b"})


@failure("torch", "torchtune-key-unknown")
def _() -> Any:
    component = "torchtune.models.llama3_2.lora_llama3_2_1b"
    return _instantiate({"_component_": component, "lora_attn_modules": ["q_proj"], "lora_rnk": 8})


def _instantiate(config: dict[str, Any]) -> Any:
    from omegaconf import OmegaConf
    from torchtune.config import instantiate

    return instantiate(OmegaConf.create(config))


@failure("torch", "torchtune-setting-missing")
def _() -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.create({"epochs": 1}).batch_size


@failure("torch", "torchtune-output-in-checkpoint")
def _() -> Any:
    return _checkpointer("model", "model/output")


@failure("torch", "torchtune-checkpoint-missing")
def _() -> Any:
    Path("model").mkdir(exist_ok=True)
    Path("model/config.json").write_text("{}")
    return _checkpointer("model", "output")


@failure("torch", "torchtune-checkpoint-missing/config")
def _() -> Any:
    Path("empty-model").mkdir(exist_ok=True)
    return _checkpointer("empty-model", "output")


def _checkpointer(folder: str, output: str) -> Any:
    from torchtune.training import FullModelHFCheckpointer

    return FullModelHFCheckpointer(
        checkpoint_dir=folder, checkpoint_files=["model.safetensors"], model_type="LLAMA3_2", output_dir=output
    )


@failure("torch", "torchtune-tokenizer-missing")
def _() -> Any:
    from torchtune.models.llama3 import llama3_tokenizer

    return llama3_tokenizer(path="/workspace/model/original/tokenizer.model")


@failure("torch", "bf16-not-available")
def _() -> Any:
    import torch
    from torchtune.training import get_dtype

    return get_dtype("bf16", device=torch.device("cuda"))


def _tune(*arguments: str) -> None:
    from torchtune._cli.tune import main

    sys.argv = ["tune", "run", *arguments]
    main()


@failure("torch", "torchtune-config-missing")
def _() -> Any:
    _tune("lora_finetune_single_device", "--config", "llama9/1B_lora_single_device")


@failure("torch", "torchtune-recipe-missing")
def _() -> Any:
    _tune("lora_finetune_everywhere", "--config", "llama3_2/1B_lora_single_device")


@failure("torch", "torchtune-override-malformed")
def _() -> Any:
    _tune("lora_finetune_single_device", "--config", "llama3_2/1B_lora_single_device", "batch_size")


@failure("torch", "torchtune-not-distributed")
def _() -> Any:
    _tune("--nproc_per_node", "2", "lora_finetune_single_device", "--config", "llama3_2/1B_lora_single_device")


# --- torchrun, and processes that train together ---

TOGETHER = """
import os, signal, sys, time, datetime, torch, torch.distributed as dist
mode, rank = sys.argv[1], int(os.environ["RANK"])
if mode == "early" and rank == 1: raise ValueError("row 7 has no text")
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=8))
if rank == 1:
    if mode == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if mode == "crashed": os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "raised": raise ValueError("row 7 has no text")
    if mode == "hung": time.sleep(20)
for _ in range(100): dist.all_reduce(torch.ones(100_000))
"""


def _torchrun(mode: str, *options: str) -> None:
    Path("train.py").write_text(TOGETHER)
    given = options or ("--nproc-per-node", "2")
    os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *given, "train.py", mode])


def _one_of_two(mode: str) -> None:
    """Be rank 0, whose other half is on another node."""
    Path("train.py").write_text(TOGETHER)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29872", WORLD_SIZE="2")
    other = [sys.executable, "train.py", mode]
    subprocess.Popen(other, env={**os.environ, "RANK": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ["RANK"] = "0"
    os.execv(sys.executable, other)


for _name, _mode in {
    "worker-process-killed": "killed",
    "worker-process-crashed": "crashed",
    "collective-timeout": "hung",
    "/an exception of a rank": "raised",
    "/an exception before ranks are known": "early",
}.items():
    FAILURES["torchrun"][_name] = lambda mode=_mode: _torchrun(mode)  # type: ignore[misc]


@failure("torchrun", "peer-lost")
def _() -> Any:
    _one_of_two("killed")


@failure("torchrun", "collective-timeout/another node")
def _() -> Any:
    _one_of_two("hung")


@failure("torchrun", "rendezvous-timeout")
def _() -> Any:
    conf = "--rdzv-conf=join_timeout=3,timeout=3,is_host=1"
    _torchrun("raised", "--nnodes=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:29873", conf)


# --- Hugging Face and S3 ---


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers every request as it was told, with the headers of the real Hub."""

    status, headers_to_send, body = 404, {}, b""  # type: ignore[var-annotated]

    def do_GET(self) -> None:
        self.send_response(self.status)
        for name, value in self.headers_to_send.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


def _answer(status: int, headers: dict[str, str] | None = None, body: str = "") -> str:
    Answer.status, Answer.headers_to_send, Answer.body = status, headers or {}, body.encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _snapshot(status: int, code: str = "", words: str = "", *, token: str | None = None, **arguments: Any) -> Any:
    os.environ["HF_ENDPOINT"] = _answer(status, {"X-Error-Code": code, "X-Error-Message": words})
    import huggingface_hub

    repo = arguments.pop("repo", "meta-llama/Llama-3.2-1B-Instruct")
    return huggingface_hub.snapshot_download(repo, token=token, cache_dir="cache", **arguments)


RESTRICTED = "Access to model meta-llama/Llama-3.2-1B-Instruct is restricted"


@failure("hub", "gated-without-token")
def _() -> Any:
    words = f"{RESTRICTED}. You must have access to it and be authenticated to access it. Please log in."
    return _snapshot(401, "GatedRepo", words)


@failure("hub", "gated-not-granted")
def _() -> Any:
    return _snapshot(403, "GatedRepo", f"{RESTRICTED} and you are not in the authorized list.", token="hf_x")


@failure("hub", "hub-token-invalid")
def _() -> Any:
    return _snapshot(401, words="Invalid credentials in Authorization header", token="hf_x")


@failure("hub", "hub-token-invalid/login")
def _() -> Any:
    # As Trainer's initializers do where there is an ACCESS_TOKEN.
    os.environ["HF_ENDPOINT"] = _answer(401, {"X-Error-Message": "Invalid credentials in Authorization header"})
    import huggingface_hub

    huggingface_hub.login("hf_x")


@failure("hub", "hub-token-lacks-permission")
def _() -> Any:
    return _snapshot(403, words="Forbidden: you must use a token with read access", token="hf_x")


@failure("hub", "hub-repository-hidden")
def _() -> Any:
    return _snapshot(401, "RepoNotFound", "Repository not found")


@failure("hub", "hub-repository-not-found")
def _() -> Any:
    return _snapshot(404, "RepoNotFound", "Repository not found")


@failure("hub", "hub-revision-not-found")
def _() -> Any:
    return _snapshot(404, "RevisionNotFound", "Invalid rev id: v9", revision="v9")


@failure("hub", "hub-rate-limit")
def _() -> Any:
    return _snapshot(429)


@failure("hub", "hub-out-of-order")
def _() -> Any:
    return _snapshot(503)


@failure("hub", "hub-name-invalid")
def _() -> Any:
    return _snapshot(404, repo="owner/name/folder")


@failure("hub", "hub-file-not-found")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = _answer(404, {"X-Error-Code": "EntryNotFound"})
    import huggingface_hub

    return huggingface_hub.hf_hub_download("owner/name", "weights.bin", cache_dir="cache")


@failure("hub", "hub-unreachable")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")


@failure("hub", "hub-unreachable/name")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = "https://hub.invalid"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")


@failure("hub", "hub-offline-and-not-cached")
def _() -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import huggingface_hub

    return huggingface_hub.snapshot_download("owner/name", cache_dir="cache")


def _dataset(*arguments: str, **more: Any) -> Any:
    os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    import datasets

    return datasets.load_dataset(*arguments, **more)


@failure("hub", "dataset-not-found")
def _() -> Any:
    os.environ["HF_ENDPOINT"] = _answer(
        404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
    )
    import datasets

    return datasets.load_dataset("nobody/nothing")


@failure("hub", "dataset-folder-empty")
def _() -> Any:
    Path("empty").mkdir(exist_ok=True)
    return _dataset(str(Path("empty").absolute()))


@failure("hub", "dataset-folder-empty/other files")
def _() -> Any:
    Path("other").mkdir(exist_ok=True)
    Path("other/x.bin").write_text("x")
    return _dataset(str(Path("other").absolute()))


@failure("hub", "dataset-folder-empty/no folder")
def _() -> Any:
    return _dataset("/workspace/dataset")


@failure("hub", "dataset-file-missing")
def _() -> Any:
    return _dataset("json", data_files="/workspace/dataset/train.json")


@failure("hub", "dataset-unreadable")
def _() -> Any:
    Path("bad.json").write_text('{"a": 1}\n{"a": \n')
    return _dataset("json", data_files="bad.json")


@failure("hub", "dataset-unreadable/parquet")
def _() -> Any:
    Path("no.parquet").write_text("text, and no parquet")
    return _dataset("parquet", data_files="no.parquet")


@failure("hub", "dataset-split-unknown")
def _() -> Any:
    Path("good.json").write_text('{"a": 1}\n')
    return _dataset("json", data_files="good.json", split="test")


def _s3(endpoint: str, **keys: str) -> Any:
    os.environ.update({"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_MAX_ATTEMPTS": "1"})
    import boto3

    given = keys or {"aws_access_key_id": "AKIA", "aws_secret_access_key": "x"}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **{} if "none" in keys else given)


def _s3_error(code: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"


@failure("hub", "s3-no-credentials")
def _() -> Any:
    return _s3(_answer(200), none="").list_objects_v2(Bucket="models")


@failure("hub", "s3-credentials-refused")
def _() -> Any:
    return _s3(_answer(403, body=_s3_error("InvalidAccessKeyId"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-forbidden")
def _() -> Any:
    return _s3(_answer(403, body=_s3_error("AccessDenied"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-forbidden/head")
def _() -> Any:
    return _s3(_answer(403)).head_object(Bucket="models", Key="x")


@failure("hub", "s3-not-found")
def _() -> Any:
    return _s3(_answer(404, body=_s3_error("NoSuchBucket"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-not-found/head")
def _() -> Any:
    return _s3(_answer(404)).head_object(Bucket="models", Key="x")


@failure("hub", "s3-unreachable")
def _() -> Any:
    return _s3("http://127.0.0.1:9").list_objects_v2(Bucket="models")


@failure("hub", "package-not-installable")
def _() -> Any:
    os.execv(
        "/usr/bin/env",
        ["env", "-u", "VIRTUAL_ENV", "python3", "-m", "pip", "install", "--no-index", "peft-of-tomorrow"],
    )


# --- Python and the system ---


@failure("python", "python-out-of-memory")
def _() -> Any:
    return bytearray(2**62)


@failure("python", "disk-full")
def _() -> Any:
    with Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)


@failure("python", "permission-denied")
def _() -> Any:
    if os.geteuid() == 0:
        os.setuid(65534)
    return Path("/etc/shadow").read_text()


@failure("python", "file-missing")
def _() -> Any:
    return Path("/workspace/dataset/train.json").read_text()


@failure("python", "module-missing")
def _() -> Any:
    import peft_of_tomorrow  # type: ignore[import-not-found]  # noqa: F401


@failure("python", "import-failed")
def _() -> Any:
    from json import nothing  # type: ignore[attr-defined]  # noqa: F401


@failure("python", "shared-library-missing")
def _() -> Any:
    import ctypes

    return ctypes.CDLL("libcudart.so.11.0")


@failure("python", "name-not-shipped")
def _() -> Any:
    return np.zeros(1)  # type: ignore[name-defined]  # noqa: F821


@failure("python", "syntax-error")
def _() -> Any:
    return compile("def f(:\n", "train.py", "exec")


@failure("python", "argument-list-too-long")
def _() -> Any:
    subprocess.run(["true", "x" * 3_000_000], check=True)


@failure("python", "too-many-open-files")
def _() -> Any:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    return [open("/dev/null") for _ in range(10)]  # noqa: PTH123


@failure("python", "recursion")
def _() -> Any:
    def again() -> Any:
        return again()

    return again()


@failure("python", "name-not-resolved")
def _() -> Any:
    import urllib.request

    return urllib.request.urlopen("https://mirror.invalid")


@failure("python", "command-not-found")
def _() -> Any:
    os.execvp("bash", ["bash", "-c", "torchrum train.py"])


@failure("python", "command-not-found/sh")
def _() -> Any:
    os.execvp("sh", ["sh", "-c", "torchrum train.py"])


@failure("python", "script-missing")
def _() -> Any:
    os.execv(sys.executable, ["python", "/workspace/train.py"])


@failure("python", "module-not-runnable")
def _() -> Any:
    os.execv(sys.executable, [sys.executable, "-m", "trainer_of_tomorrow"])


# --- running them ---


def provoke(group: str) -> dict[str, list[str]]:
    """Run the failures of a group, and give the lines that each wrote."""
    if group == "torch":
        # Once for all: the processes are forks of this one.
        import torchtune  # noqa: F401
    return {name: lines_of(function) for name, function in FAILURES[group].items()}


def lines_of(function: Callable[[], Any]) -> list[str]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        try:
            function()
        except SystemExit:
            pass
        except BaseException:  # noqa: BLE001
            sys.stdout.flush()
            # Not to sys.stderr, which may be a test's own.
            os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os.close(write)
    with os.fdopen(read, errors="replace") as output:
        lines = output.read().splitlines()
    os.waitpid(pid, 0)
    return lines


def main(groups: list[str]) -> None:
    """Write down what they write, without what is this machine's own."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    home = Path.cwd()
    for group in groups or [group for group in FAILURES if group != "python"]:
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.environ.update({"HF_HOME": folder, "HOME": folder, "HF_HUB_DISABLE_TELEMETRY": "1"})
        own = {folder: "/workspace", str(Path(__file__).parent): "/workspace"}
        own |= {sys.prefix: "/opt/venv", sys.base_prefix: "/usr/local"}
        for name, lines in provoke(group).items():
            recorded[name] = {"group": group, "lines": [_replaced(line, own) for line in lines[-250:]]}
        os.chdir(home)
        shutil.rmtree(folder)
    RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n")


def _replaced(text: str, words: dict[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text[:1500]


if __name__ == "__main__":
    main(sys.argv[1:])
