"""Running what a function's container would run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.config.function import read_function
from airflow_kubeflow_trainer.local.kubelet.expansion import expand
from airflow_kubeflow_trainer.operators.calls import encoded
from airflow_kubeflow_trainer.trainjob.results import returned_value
from airflow_kubeflow_trainer.trainjob.script import TERMINATION_LOG, Call, function_command

ENVIRONMENT = {"x": "wrong", "cmd": "wrong", "PET_NNODES": "wrong", "": "wrong", "1": "wrong", "HOME": "wrong"}
"""What Kubernetes would put in for ``$(x)``."""


class Ended:
    """How a container ended."""

    def __init__(self, folder: Path, done: subprocess.CompletedProcess[bytes]) -> None:
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()
        self.message = (folder / "message").read_text()

    @property
    def result(self) -> Any:
        assert self.code == 0, self.err
        return returned_value(self.message)


def call(func: Any, *args: Any, **kwargs: Any) -> Call:
    return Call(read_function(func), *encoded(args, kwargs))


def run(folder: Path, call: Call, *, rank: int = 0, path: Path = Path(sys.executable).parent, **options: Any) -> Ended:
    """Run the container's command by the Python that is found at `path`, without torchrun."""
    command, args = function_command(call, policy="jax", **options)
    (folder / "message").write_text("")
    argv = [expand(word, ENVIRONMENT) for word in (*command, *args)]
    argv[2] = argv[2].replace(TERMINATION_LOG, str(folder / "message"))
    environment = {"PATH": f"{path}:{os.environ['PATH']}", "JAX_PROCESS_ID": str(rank)}
    return Ended(folder, subprocess.run(argv, env=environment, capture_output=True, check=False, cwd=folder))
