"""Identities of the JobSets and Jobs that the local cluster derives instead of storing.

They follow from the TrainJob's uid, so that a restart of the cluster finds its pods again.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_MAX_PREFIX_LENGTH = 58


def jobset_uid(trainjob: dict[str, Any]) -> str:
    return str(uuid.uuid5(uuid.UUID(trainjob["metadata"]["uid"]), "jobset"))


def job_uid(trainjob: dict[str, Any], job_name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(trainjob["metadata"]["uid"]), f"job/{job_name}"))


def job_name(jobset_name: str, replicated_job: str, index: int) -> str:
    return f"{jobset_name}-{replicated_job}-{index}"


def job_key(namespace: str, name: str) -> str:
    """Return what JobSet puts into the label ``job-key``."""
    return hashlib.sha1(f"{namespace}/{name}".encode(), usedforsecurity=False).hexdigest()


def pod_prefix(name: str, index: int) -> str:
    """Return the ``generateName`` of a Job's pod, shortened as the Job controller does."""
    ending = f"-{index}-"
    return name[: _MAX_PREFIX_LENGTH - len(ending)] + ending


def pod_name(job: str, uid: str, index: int, attempt: int) -> str:
    """Return the name of a Job's pod.

    The suffix looks random and is not: making the same pod a second time meets the first one.

    :param attempt: how many pods of this Job came before.
    """
    number = int.from_bytes(hashlib.sha256(f"{uid}/{index}/{attempt}".encode()).digest()[:8])
    suffix = ""
    for _ in range(_SUFFIX_LENGTH):
        number, position = divmod(number, len(_SUFFIX_ALPHABET))
        suffix += _SUFFIX_ALPHABET[position]
    return pod_prefix(job, index) + suffix
