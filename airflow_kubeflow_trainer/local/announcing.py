"""Which Trainer the cluster plays, said where the Kubeflow SDK looks for it: it warns at length where nobody says."""

from __future__ import annotations

import contextlib

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import CONFIG_MAPS, NAMESPACES
from airflow_kubeflow_trainer.exceptions import ConflictError

NAMESPACE, NAME = "kubeflow-system", "kubeflow-trainer-public"
VERSION = "v2.3.0"


async def announce_trainer(client: Client) -> None:
    """Create what an installation of Trainer has for everybody to read; what is there is left as it is."""
    with contextlib.suppress(ConflictError):
        await client.create(NAMESPACES.path(), {"metadata": {"name": NAMESPACE}})
    with contextlib.suppress(ConflictError):
        public = {"metadata": {"name": NAME}, "data": {"kubeflow_trainer_version": VERSION}}
        await client.create(CONFIG_MAPS.path(namespace=NAMESPACE), public)
