"""kubectl, as people run it: on the command line, with a kubeconfig."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.control_plane.programs import BUILT


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace of one cluster."""

    kubeconfig: Path
    cache: Path
    """Where it keeps what it has discovered: its default is the user's own."""
    namespace: str = "default"

    def run(self, *arguments: str, given: Any = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        :param given: an object for its standard input, where a command reads `-f -`.
        """
        return subprocess.run(
            [str(BUILT / "bin" / "kubectl"), "--namespace", self.namespace, "--cache-dir", str(self.cache), *arguments],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig)},
            input=None if given is None else json.dumps(given),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def __call__(self, *arguments: str, given: Any = None) -> str:
        """Run a command that succeeds, and return what it prints."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, given: Any = None) -> str:
        """Run a command that fails, and return what it complains of."""
        done = self.run(*arguments, given=given)
        assert done.returncode != 0, done.stdout
        return done.stderr
