"""What the API server serves: resources, their names for users, and which of them have a status of their own."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_kubeflow_trainer.cluster import resources
from airflow_kubeflow_trainer.cluster.resources import Resource

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
SERVICES = Resource("", "v1", "services", "Service")


@dataclass(frozen=True, kw_only=True)
class ServedResource:
    """A resource and how it is served."""

    resource: Resource
    short_names: tuple[str, ...] = ()
    has_status: bool = False
    """A subresource ``status`` exists; writes of the object leave its status alone."""
    has_generation: bool = False
    """``metadata.generation`` counts the changes of what the user wants."""

    @property
    def singular(self) -> str:
        return self.resource.kind.lower()

    @property
    def qualified_name(self) -> str:
        """Name in messages: ``pods``, ``trainjobs.trainer.kubeflow.org``."""
        return f"{self.resource.plural}.{self.resource.group}" if self.resource.group else self.resource.plural

    @property
    def defines_trainer(self) -> bool:
        """It is one of Trainer's own, which are custom resources."""
        return self.resource.group == resources.TRAINER_GROUP


_SERVED = (
    ServedResource(resource=resources.NAMESPACES, short_names=("ns",), has_status=True),
    ServedResource(resource=resources.NODES, short_names=("no",), has_status=True),
    ServedResource(resource=resources.PODS, short_names=("po",), has_status=True, has_generation=True),
    ServedResource(resource=resources.EVENTS, short_names=("ev",)),
    ServedResource(resource=resources.PERSISTENT_VOLUME_CLAIMS, short_names=("pvc",), has_status=True),
    ServedResource(resource=resources.SECRETS),
    ServedResource(resource=resources.CONFIG_MAPS, short_names=("cm",)),
    ServedResource(resource=SERVICE_ACCOUNTS, short_names=("sa",)),
    ServedResource(resource=SERVICES, short_names=("svc",), has_status=True),
    ServedResource(resource=resources.TRAINJOBS, has_status=True, has_generation=True),
    ServedResource(resource=resources.TRAINING_RUNTIMES, has_generation=True),
    ServedResource(resource=resources.CLUSTER_TRAINING_RUNTIMES, has_generation=True),
)

SERVED = {served.resource.plural: served for served in _SERVED}
"""All that is served, by plural: no two groups share a plural here."""
