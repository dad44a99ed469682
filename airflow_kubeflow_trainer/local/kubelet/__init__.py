"""A kubelet whose containers are processes of this machine. It speaks the Kubernetes API and nothing else."""

from airflow_kubeflow_trainer.local.kubelet.images import Image
from airflow_kubeflow_trainer.local.kubelet.isolation import Isolation, best_isolation
from airflow_kubeflow_trainer.local.kubelet.kubelet import run_kubelet
from airflow_kubeflow_trainer.local.kubelet.options import KubeletOptions

__all__ = ["Image", "Isolation", "KubeletOptions", "best_isolation", "run_kubelet"]
