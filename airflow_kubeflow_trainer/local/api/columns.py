"""What ``kubectl get`` shows of each kind: the columns of kube-apiserver, and its words in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_kubeflow_trainer.local.api import pod_cells
from airflow_kubeflow_trainer.local.api.durations import UNKNOWN, since
from airflow_kubeflow_trainer.local.api.metadata import Object
from airflow_kubeflow_trainer.local.api.resources import ApiResource

_Cell = Callable[[Object], Any]
_NONE = "<none>"


@dataclass(frozen=True)
class Column:
    """One column of a kind's table."""

    name: str
    cell: _Cell
    wide: bool = False
    """Whether only ``-o wide`` shows it."""
    type: str = "string"
    format: str = ""


def columns_of(resource: ApiResource) -> Sequence[Column]:
    """Return a kind's columns in their order."""
    own = _OF_CUSTOM_RESOURCES.get(resource.plural) if resource.custom else _COLUMNS.get(resource.plural)
    if own is not None:
        return own
    return (_NAME, Column("Age", _age, type="date")) if resource.custom else (_NAME, _AGE)


def _age(obj: Object) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def _field(path: str, default: str = "") -> _Cell:
    def cell(obj: Object) -> Any:
        value: Any = obj
        for part in path.split("."):
            value = (value or {}).get(part)
        return default if value in (None, "") else str(value)

    return cell


def _joined(pairs: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or _NONE


def _count(*fields: str) -> _Cell:
    return lambda obj: sum(len(obj.get(field) or {}) for field in fields)


def _node_state(node: Object) -> str:
    found = {each.get("type"): each.get("status") for each in (node.get("status") or {}).get("conditions") or []}
    states = [{"True": "Ready", None: "Unknown"}.get(found.get("Ready"), "NotReady")]
    if (node.get("spec") or {}).get("unschedulable"):
        states.append("SchedulingDisabled")
    return ",".join(states)


def _roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(label[len(prefix) :] for label in labels if label.startswith(prefix))) or _NONE


def _address(kind: str) -> _Cell:
    def cell(node: Object) -> str:
        addresses = (node.get("status") or {}).get("addresses") or []
        return next((str(each.get("address", "")) for each in addresses if each.get("type") == kind), _NONE)

    return cell


def _claim_state(claim: Object) -> str:
    if claim["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((claim.get("status") or {}).get("phase", ""))


def _of_bound(show: _Cell) -> _Cell:
    return lambda claim: show(claim) if claim["spec"].get("volumeName") else ""


def _access_modes(claim: Object) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    modes = (claim.get("status") or {}).get("accessModes") or []
    return ",".join(name for mode, name in short.items() if mode in modes)


def _class_name(storage_class: Object) -> str:
    metadata = storage_class["metadata"]
    default = (metadata.get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    return f"{metadata['name']} (default)" if default else str(metadata["name"])


def _involved(event: Object) -> str:
    involved = event.get("involvedObject") or {}
    kind, name = str(involved.get("kind", "")).lower(), involved.get("name")
    return f"{kind}/{name}" if name else kind


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component


def _last_seen(event: Object) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    return since(series or event.get("lastTimestamp") or event.get("firstTimestamp") or event.get("eventTime"))


def _times(event: Object) -> int:
    return (event.get("series") or {}).get("count") or event.get("count") or 1


def _ports(service: Object) -> str:
    ports = service["spec"].get("ports") or []
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or _NONE


def _trainjob_state(trainjob: Object) -> str:
    conditions = (trainjob.get("status") or {}).get("conditions") or []
    return str(conditions[-1].get("type") or "") if conditions else ""


_NAME = Column("Name", _field("metadata.name"), format="name")
_AGE = Column("Age", _age)
_COLUMNS: dict[str, Sequence[Column]] = {
    "namespaces": (_NAME, Column("Status", _field("status.phase")), _AGE),
    "nodes": (
        _NAME,
        Column("Status", _node_state),
        Column("Roles", _roles),
        _AGE,
        Column("Version", _field("status.nodeInfo.kubeletVersion")),
        Column("Internal-IP", _address("InternalIP"), wide=True),
        Column("External-IP", _address("ExternalIP"), wide=True),
        Column("OS-Image", _field("status.nodeInfo.osImage", UNKNOWN), wide=True),
        Column("Kernel-Version", _field("status.nodeInfo.kernelVersion", UNKNOWN), wide=True),
        Column("Container-Runtime", _field("status.nodeInfo.containerRuntimeVersion", UNKNOWN), wide=True),
    ),
    "pods": (
        _NAME,
        Column("Ready", pod_cells.ready),
        Column("Status", pod_cells.state),
        Column("Restarts", pod_cells.restarts),
        _AGE,
        Column("IP", _field("status.podIP", _NONE), wide=True),
        Column("Node", _field("spec.nodeName", _NONE), wide=True),
        Column("Nominated Node", _field("status.nominatedNodeName", _NONE), wide=True),
        Column("Readiness Gates", lambda pod: _NONE, wide=True),
    ),
    "persistentvolumeclaims": (
        _NAME,
        Column("Status", _claim_state),
        Column("Volume", _field("spec.volumeName")),
        Column("Capacity", _of_bound(_field("status.capacity.storage"))),
        Column("Access Modes", _of_bound(_access_modes)),
        Column("StorageClass", _field("spec.storageClassName")),
        Column("VolumeAttributesClass", _field("spec.volumeAttributesClassName", "<unset>")),
        _AGE,
        Column("VolumeMode", _field("spec.volumeMode", "<unset>"), wide=True),
    ),
    "storageclasses": (
        Column("Name", _class_name, format="name"),
        Column("Provisioner", _field("provisioner")),
        Column("ReclaimPolicy", _field("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", _field("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", lambda obj: bool(obj.get("allowVolumeExpansion"))),
        _AGE,
    ),
    "events": (
        Column("Last Seen", _last_seen),
        Column("Type", _field("type")),
        Column("Reason", _field("reason")),
        Column("Object", _involved),
        Column("Subobject", _field("involvedObject.fieldPath"), wide=True),
        Column("Source", _source, wide=True),
        Column("Message", lambda event: str(event.get("message", "")).strip()),
        Column("First Seen", lambda event: since(event.get("firstTimestamp") or event.get("eventTime")), wide=True),
        Column("Count", _times, wide=True),
        Column("Name", _field("metadata.name"), wide=True, format="name"),
    ),
    "secrets": (_NAME, Column("Type", _field("type")), Column("Data", _count("data")), _AGE),
    "configmaps": (_NAME, Column("Data", _count("data", "binaryData")), _AGE),
    "services": (
        _NAME,
        Column("Type", _field("spec.type")),
        Column("Cluster-IP", _field("spec.clusterIP", _NONE)),
        Column("External-IP", lambda service: _NONE),
        Column("Port(s)", _ports),
        _AGE,
        Column("Selector", lambda service: _joined(service["spec"].get("selector")), wide=True),
    ),
}
_OF_CUSTOM_RESOURCES: dict[str, Sequence[Column]] = {
    "trainjobs": (_NAME, Column("State", _trainjob_state), Column("Age", _age, type="date")),
}
