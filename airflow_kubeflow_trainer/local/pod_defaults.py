"""What Kubernetes fills into a pod that is created: the API server's defaults, and those of its admission plugins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_kubeflow_trainer.local.quantity import canonical_quantity

Spec = dict[str, Any]

_POD: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
}
_CONTAINER: Mapping[str, Any] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Mapping[str, Any] = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_FILE_MODE = 0o644
_WITH_FILES = ("secret", "configMap", "projected", "downwardAPI")
_TOKEN_SECONDS = 3600
_NODE_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATED_SECONDS = 300


def fill_in(spec: Spec) -> None:
    """Fill in a pod's spec, in place."""
    for key, value in _POD.items():
        spec.setdefault(key, value)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or []:
            _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or []:
        _volume(volume)
    _tolerate_troubles(spec)


def first_status(spec: Spec) -> dict[str, Any]:
    """Return the status of a pod whose spec has been filled in and that nobody has looked at yet."""
    status: dict[str, Any] = {"phase": "Pending", "qosClass": _quality(spec)}
    if spec.get("schedulingGates"):
        gated = {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
        status["conditions"] = [gated]
    return status


def canonical_resources(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return a container's resources as the API server stores them: a request for every limit."""
    found = dict(resources)
    for kind in ("limits", "requests"):
        if found.get(kind):
            found[kind] = {name: canonical_quantity(quantity) for name, quantity in sorted(found[kind].items())}
    if found.get("limits"):
        found["requests"] = {**found["limits"], **(found.get("requests") or {})}
    return found


def _container(container: Spec, *, host_network: bool) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image", ""))))
    for key, value in _CONTAINER.items():
        container.setdefault(key, value)
    container["resources"] = canonical_resources(container.get("resources") or {})
    for variable in container.get("env") or []:
        _variable(variable)
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if host_network:
            port.setdefault("hostPort", port.get("containerPort"))
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(kind)
        if probe:
            container[kind] = {**_PROBE, **probe}
            _handler(container[kind])
    for handler in (container.get("lifecycle") or {}).values():
        _handler(handler)


def _pull_policy(image: str) -> str:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if digest or tag not in ("", "latest") else "Always"


def _variable(variable: Spec) -> None:
    if variable.get("value") == "":
        del variable["value"]
    _source(variable.get("valueFrom") or {})


def _source(source: Spec) -> None:
    """Fill in where a variable or a file of the downward API comes from."""
    if source.get("fieldRef"):
        source["fieldRef"].setdefault("apiVersion", "v1")
    if source.get("resourceFieldRef"):
        source["resourceFieldRef"].setdefault("divisor", "0")


def _handler(handler: Spec) -> None:
    if isinstance(handler.get("httpGet"), dict):
        handler["httpGet"] = {"path": "/", "scheme": "HTTP", **handler["httpGet"]}
    if isinstance(handler.get("grpc"), dict):
        handler["grpc"].setdefault("service", "")


def _volume(volume: Spec) -> None:
    if not volume.keys() - {"name"}:
        volume["emptyDir"] = {}
    for kind in _WITH_FILES:
        if isinstance(volume.get(kind), dict):
            volume[kind].setdefault("defaultMode", _FILE_MODE)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    sources = (volume.get("projected") or {}).get("sources") or []
    for files in (volume, *sources):
        for item in (files.get("downwardAPI") or {}).get("items") or []:
            _source(item)
    for source in sources:
        if isinstance(source.get("serviceAccountToken"), dict):
            source["serviceAccountToken"].setdefault("expirationSeconds", _TOKEN_SECONDS)


def _tolerate_troubles(spec: Spec) -> None:
    tolerations = spec["tolerations"] = spec.get("tolerations") or []
    for key in _NODE_TROUBLES:
        if not any(
            toleration.get("key") in (key, "", None) and toleration.get("effect") in ("NoExecute", "", None)
            for toleration in tolerations
        ):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_SECONDS}
            )


def _quality(spec: Spec) -> str:
    """Return how firmly the pod's cpu and memory are promised."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    amounts = [
        {
            kind: {name: (item.get(kind) or {}).get(name) for name in ("cpu", "memory")}
            for kind in ("requests", "limits")
        }
        for item in (container["resources"] for container in containers)
    ]
    if not any(value for item in amounts for kind in item.values() for value in kind.values()):
        return "BestEffort"
    guaranteed = all(item["requests"] == item["limits"] and all(item["limits"].values()) for item in amounts)
    return "Guaranteed" if guaranteed else "Burstable"
