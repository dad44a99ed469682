"""Whether a pod may run on the node, in kube-scheduler's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import objects
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.requests import pod_requests
from airflow_kubeflow_trainer.local.quantity import parse_quantity

Node = Mapping[str, Any]

_PREFIX = "0/1 nodes are available: "
_SUFFIX = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


def why_not(pod: Pod, node: Node | None, running: Iterable[Pod], claims: Mapping[str, bool]) -> str | None:
    """Return why the pod cannot be bound to the node, or None where it can.

    :param running: the pods that are bound to the node and not over.
    :param claims: the claims in the pod's namespace by name, and whether each has a volume.
    """
    if node is None:
        return "no nodes available to schedule pods"
    wanted = objects.claim_names(pod)
    for name in wanted:
        if name not in claims:
            return f'{_PREFIX}persistentvolumeclaim "{name}" not found. {_SUFFIX}'
    if not all(claims[name] for name in wanted):
        return f"{_PREFIX}pod has unbound immediate PersistentVolumeClaims. {_SUFFIX}"
    reasons = _unfit(pod, node) or _insufficient(pod, node, running)
    return f"{_PREFIX}{', '.join(f'1 {reason}' for reason in reasons)}. {_SUFFIX}" if reasons else None


def _unfit(pod: Pod, node: Node) -> list[str]:
    spec, labels = node["spec"], node["metadata"].get("labels") or {}
    if spec.get("unschedulable"):
        return ["node(s) were unschedulable"]
    if any(not _tolerated(taint, pod) for taint in spec.get("taints") or [] if taint["effect"] != "PreferNoSchedule"):
        return ["node(s) had untolerated taint(s)"]
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return ["node(s) didn't match Pod's node affinity/selector"]
    return []


def _tolerated(taint: Mapping[str, Any], pod: Pod) -> bool:
    return any(_tolerates(toleration, taint) for toleration in pod["spec"].get("tolerations") or [])


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def _insufficient(pod: Pod, node: Node, running: Iterable[Pod]) -> list[str]:
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    free = {name: parse_quantity(value) for name, value in allocatable.items()}
    for other in running:
        for name, value in pod_requests(other["spec"]).items():
            free[name] = free.get(name, Decimal(0)) - value
    wanted = pod_requests(pod["spec"])
    # The node counts no ephemeral storage.
    short = [n for n, v in wanted.items() if v > free.get(n, Decimal(0)) and n != "ephemeral-storage"]
    return [f"Insufficient {name}" for name in sorted(short)]
