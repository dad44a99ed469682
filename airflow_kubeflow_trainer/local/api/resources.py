"""The resources that the API server serves, and how each differs from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_kubeflow_trainer.cluster.resources import TRAINER_GROUP, Resource

_NAME = ("metadata.name",)
_NAME_AND_NAMESPACE = ("metadata.name", "metadata.namespace")
_EVENT_FIELDS = (
    *(f"involvedObject.{key}" for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)


@dataclass(frozen=True, kw_only=True)
class ApiResource(Resource):
    """One served resource."""

    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    """Whether ``status`` is written through its own subresource only."""
    subresources: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Further subresources, each with its kind."""
    selectable_fields: tuple[str, ...] = _NAME_AND_NAMESPACE
    """What field selectors may name."""
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    returns_deleted: bool = False
    """Whether DELETE answers with the object; with a Status otherwise."""
    custom: bool = False
    """Whether Kubernetes knows it by a CustomResourceDefinition: no strategic merge patch, no blind PUT."""

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def qualified(self) -> str:
        """The name that error messages use, for example ``trainjobs.trainer.kubeflow.org``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def key(self) -> str:
        """Under which the store keeps its objects."""
        return self.qualified


def _core(plural: str, kind: str, **more: object) -> ApiResource:
    return ApiResource("", "v1", plural, kind, **more)  # type: ignore[arg-type]


def _trainer(plural: str, kind: str, **more: object) -> ApiResource:
    return ApiResource(TRAINER_GROUP, "v1alpha1", plural, kind, custom=True, **more)  # type: ignore[arg-type]


NAMESPACES = _core(
    "namespaces",
    "Namespace",
    namespaced=False,
    short_names=("ns",),
    has_status=True,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    selectable_fields=(*_NAME, "status.phase"),
    returns_deleted=True,
)
NODES = _core(
    "nodes",
    "Node",
    namespaced=False,
    short_names=("no",),
    has_status=True,
    selectable_fields=(*_NAME, "spec.unschedulable"),
)
PODS = _core(
    "pods",
    "Pod",
    short_names=("po",),
    categories=("all",),
    has_status=True,
    subresources={"log": "Pod", "binding": "Binding", "eviction": "Eviction"},
    selectable_fields=(*_NAME_AND_NAMESPACE, *_POD_FIELDS),
    returns_deleted=True,
)
PERSISTENT_VOLUME_CLAIMS = _core(
    "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",), has_status=True, returns_deleted=True
)
EVENTS = _core("events", "Event", short_names=("ev",), selectable_fields=(*_NAME_AND_NAMESPACE, *_EVENT_FIELDS))
SECRETS = _core("secrets", "Secret", selectable_fields=(*_NAME_AND_NAMESPACE, "type"))
CONFIG_MAPS = _core("configmaps", "ConfigMap", short_names=("cm",))
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", short_names=("sa",), returns_deleted=True)
SERVICES = _core(
    "services",
    "Service",
    short_names=("svc",),
    categories=("all",),
    has_status=True,
    selectable_fields=(*_NAME_AND_NAMESPACE, "spec.clusterIP", "spec.type"),
    returns_deleted=True,
)
STORAGE_CLASSES = ApiResource(
    "storage.k8s.io",
    "v1",
    "storageclasses",
    "StorageClass",
    namespaced=False,
    short_names=("sc",),
    selectable_fields=_NAME,
    returns_deleted=True,
)
TRAINJOBS = _trainer("trainjobs", "TrainJob", has_status=True)
TRAINING_RUNTIMES = _trainer("trainingruntimes", "TrainingRuntime")
CLUSTER_TRAINING_RUNTIMES = _trainer(
    "clustertrainingruntimes", "ClusterTrainingRuntime", namespaced=False, selectable_fields=_NAME
)

SERVED = (
    NAMESPACES,
    NODES,
    PODS,
    PERSISTENT_VOLUME_CLAIMS,
    EVENTS,
    SECRETS,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STORAGE_CLASSES,
    TRAINJOBS,
    TRAINING_RUNTIMES,
    CLUSTER_TRAINING_RUNTIMES,
)
_BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in SERVED}
_BY_PLURAL = {resource.plural: resource for resource in SERVED}


def find(group: str, version: str, plural: str) -> ApiResource | None:
    """Return the served resource of that path, or None."""
    return _BY_PATH.get((group, version, plural))


def by_plural(plural: str) -> ApiResource | None:
    """Return the served resource of that plural: they are all different."""
    return _BY_PLURAL.get(plural)
