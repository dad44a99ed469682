"""Read a pod, as plain data from the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Pod = Mapping[str, Any]

TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})
JOBSET_NAME = "jobset.sigs.k8s.io/jobset-name"
JOBSET_UID = "jobset.sigs.k8s.io/jobset-uid"
CLUSTER_DOMAIN = "cluster.local"


def rfc3339(moment: float) -> str:
    """Return seconds since the epoch as Kubernetes writes a time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Return an RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def uid(pod: Pod) -> str:
    return str(pod["metadata"]["uid"])


def namespace(pod: Pod) -> str:
    return str(pod["metadata"]["namespace"])


def name(pod: Pod) -> str:
    return str(pod["metadata"]["name"])


def phase(pod: Pod) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Pod) -> bool:
    """Whether the pod has reported its end."""
    return phase(pod) in TERMINAL_PHASES


def is_deleted(pod: Pod) -> bool:
    """Whether somebody has asked for the pod's deletion."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def node_name(pod: Pod) -> str | None:
    return pod["spec"].get("nodeName") or None


def job_key(pod: Pod) -> str:
    """Name what the pod shares its network with: the JobSet of a TrainJob, else only itself."""
    labels = pod["metadata"].get("labels") or {}
    if JOBSET_NAME in labels:
        return f"{namespace(pod)}.{labels[JOBSET_NAME]}.{labels.get(JOBSET_UID, '')}"
    return f"{namespace(pod)}.pod.{uid(pod)}"


def host_names(pod: Pod) -> list[str]:
    """Return the names by which the other pods of its job find the pod (its headless Service's)."""
    spec = pod["spec"]
    host, subdomain = spec.get("hostname"), spec.get("subdomain")
    if not host or not subdomain:
        return []
    short = f"{host}.{subdomain}"
    within = f"{short}.{namespace(pod)}.svc"
    return [f"{within}.{CLUSTER_DOMAIN}", within, f"{short}.{namespace(pod)}", short]


def claim_names(pod: Pod) -> list[str]:
    volumes = pod["spec"].get("volumes") or []
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
