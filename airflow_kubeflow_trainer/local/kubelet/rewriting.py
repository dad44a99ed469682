"""Without namespaces: a container's paths and host names replaced by what they are on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK


class Rewriter:
    """Replaces mount paths and host names inside texts.

    It finds them where they stand as a path or a name of their own: in ``--dir=/workspace/output`` but not in
    ``/my/workspace``. Paths that a program carries within itself are out of its reach.
    """

    def __init__(self, *, folders: Mapping[str, str], host_names: Iterable[str]) -> None:
        """
        :param folders: for each path of the container, the path of this machine.
        """
        self._replacements = {path: source.rstrip("/") for path, source in folders.items() if path != "/"}
        self._replacements.update(dict.fromkeys(host_names, LOOPBACK))
        longest_first = sorted(self._replacements, key=len, reverse=True)
        alternatives = "|".join(re.escape(text) for text in longest_first)
        self._pattern = re.compile(rf"(?<![\w./-])(?:{alternatives})(?![\w-]|\.\w)") if alternatives else None

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._replacements[match[0]], text)
