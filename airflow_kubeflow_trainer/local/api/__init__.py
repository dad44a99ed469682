"""The API server of the local cluster: enough of Kubernetes for its usual clients and for Kubeflow Trainer."""
