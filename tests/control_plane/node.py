"""This machine as the control plane's node, by the command that users have for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.control_plane.plane import ControlPlane

STOP_SECONDS = 30


@contextmanager
def kubelet(
    plane: ControlPlane, directory: Path, *options: str, name: str = "local"
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `local kubelet` as a node, ready when the context begins and gone at its end.

    It ends with this process, however that ends: the pipe to its standard input closes.
    """
    file = plane.logs / f"kubelet-{name}.log"
    reading, writing = os.pipe()
    with file.open("ab") as log, os.fdopen(reading) as ready:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "airflow_kubeflow_trainer.local", "kubelet", "--name", name),
                *("--kubeconfig", str(plane.kubeconfig), "--dir", str(directory), "--restart-backoff-seconds", "0"),
                *("--ready-fd", str(writing), "--end-with-stdin", *options),
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
        )
        os.close(writing)
        assert ready.read() == plane.server, file.read_text()
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        if process.stdin is not None:
            process.stdin.close()
