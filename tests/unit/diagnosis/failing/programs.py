"""What Python, pip, the shell and the system say."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from diagnosis.failing.registry import failure


@failure("hub", "package-not-installable")
def _() -> Any:
    os.execv(
        "/usr/bin/env",
        ["env", "-u", "VIRTUAL_ENV", "python3", "-m", "pip", "install", "--no-index", "peft-of-tomorrow"],
    )


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


def _as_the_system_says(number: int) -> Any:
    """Fail as a system call does on a disk that cannot be had here: Python takes the words from the C library."""
    raise OSError(number, os.strerror(number), "/workspace/output/x")


@failure("python", "disk-quota")
def _() -> Any:
    _as_the_system_says(errno.EDQUOT)


@failure("python", "volume-lost")
def _() -> Any:
    _as_the_system_says(errno.ESTALE)


@failure("python", "volume-lost/no answer")
def _() -> Any:
    _as_the_system_says(errno.EIO)


@failure("python", "read-only")
def _() -> Any:
    _as_the_system_says(errno.EROFS)


@failure("python", "no-more-threads")
def _() -> Any:
    import resource

    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    if os.geteuid() == 0:
        # Whom no limit holds.
        os.setuid(65534)
    threading.Thread(target=print).start()


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
