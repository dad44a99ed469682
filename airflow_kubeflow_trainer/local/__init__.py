"""A Kubernetes cluster with Kubeflow Trainer on this machine: API server, controller and a kubelet of processes."""
