"""Who may read logs: the owners of certificates whom the cluster permits it, as Kubernetes' own kubelets ask it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from airflow_kubeflow_trainer.cluster.client import Client

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
GOOD_SECONDS, BAD_SECONDS = 300.0, 30.0
"""How long an answer holds; the defaults of Kubernetes' kubelet."""


@dataclass(frozen=True)
class Owner:
    """Whom a client certificate names."""

    user: str
    groups: tuple[str, ...]

    @classmethod
    def of(cls, certificate: Mapping[str, Any]) -> Self:
        """Read the subject of a certificate, as :meth:`ssl.SSLSocket.getpeercert` gives it."""
        named = [pair for part in certificate.get("subject", ()) for pair in part]
        user = next((value for key, value in named if key == "commonName"), "")
        return cls(user, tuple(value for key, value in named if key == "organizationName"))


class Readers:
    """Asks the API server whether somebody may read logs on a node, and remembers the answer for a while."""

    def __init__(self, client: Client, *, node_name: str) -> None:
        self._client = client
        self._attributes = {"verb": "get", "resource": "nodes", "subresource": "proxy", "name": node_name}
        self._answers: dict[Owner, tuple[bool, float]] = {}

    async def may_read(self, owner: Owner) -> bool:
        """Whether the owner of a certificate may read logs.

        :raises KubeflowTrainerError: the API server does not say.
        """
        allowed, until = self._answers.get(owner, (False, 0.0))
        if time.monotonic() < until:
            return allowed
        groups = [*owner.groups, "system:authenticated"]
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": owner.user, "groups": groups, "resourceAttributes": self._attributes},
        }
        allowed = bool((await self._client.create(_REVIEWS, review))["status"]["allowed"])
        self._answers[owner] = (allowed, time.monotonic() + (GOOD_SECONDS if allowed else BAD_SECONDS))
        return allowed
