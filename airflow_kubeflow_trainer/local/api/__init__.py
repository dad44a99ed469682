"""The API server of the local cluster: enough of Kubernetes for its usual clients and for Kubeflow Trainer."""

from airflow_kubeflow_trainer.local.api.server import ApiServer

__all__ = ["ApiServer"]
