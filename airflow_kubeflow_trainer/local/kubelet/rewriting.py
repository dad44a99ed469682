"""Without namespaces: a container's paths and host names replaced by what they are on this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK
from airflow_kubeflow_trainer.local.kubelet.objects import Pod


class Rewriter:
    """Replaces mount paths, and the host names of a pod's job, inside texts.

    It finds them where they stand as a path or a name of their own: in ``--dir=/workspace/output`` but not in
    ``/my/workspace``. Paths that a program carries within itself are out of its reach.
    """

    def __init__(self, pod: Pod, *, folders: Mapping[str, str]) -> None:
        """:param folders: for each path of the container, the path of this machine."""
        self._folders = {path: source.rstrip("/") for path, source in folders.items() if path != "/"}
        alternatives = [rf"(?<![\w./-])(?P<folder>{_any_of(self._folders)})(?![\w-]|\.\w)"]
        if subdomain := pod["spec"].get("subdomain"):
            # Any host of the job: the pod that a name belongs to may come later.
            rest = rf"(?:\.{re.escape(objects.namespace(pod))}(?:\.svc(?:\.{re.escape(objects.CLUSTER_DOMAIN)})?)?)?"
            alternatives.append(rf"(?<![\w.-])[\w-]+\.{re.escape(subdomain)}{rest}(?![\w-]|\.\w)")
        self._pattern = re.compile("|".join(alternatives))

    def __call__(self, text: str) -> str:
        return self._pattern.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        folder = match["folder"]
        return LOOPBACK if folder is None else self._folders[folder]


def _any_of(texts: Mapping[str, str]) -> str:
    longest_first = sorted(texts, key=len, reverse=True)
    # Where there is none, something that never matches.
    return "|".join(re.escape(text) for text in longest_first) or r"(?!)"
