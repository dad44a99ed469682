"""What PyTorch says of one process: memory, devices, shapes, data workers, checkpoints."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diagnosis.failing.registry import failure


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


def load(fail: Callable[[], Any]) -> None:
    from torch.utils.data import DataLoader

    list(DataLoader(_Rows(fail), num_workers=1))  # type: ignore[arg-type]


@failure("torch", "data-worker-killed")
def _() -> Any:
    load(lambda: os.kill(os.getpid(), signal.SIGKILL))


@failure("torch", "data-worker-died")
def _() -> Any:
    load(lambda: os._exit(1))


@failure("torch", "shared-memory-bus-error")
def _() -> Any:
    load(lambda: os.kill(os.getpid(), signal.SIGBUS))
