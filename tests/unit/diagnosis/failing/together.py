"""What processes that train together say when one of them fails: torchrun, its rendezvous, collectives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from diagnosis.failing.registry import FAILURES, failure

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
