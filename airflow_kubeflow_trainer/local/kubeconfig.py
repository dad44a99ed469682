"""The kubeconfig of the local cluster, with everything in the one file."""

from __future__ import annotations

import base64
from pathlib import Path

from airflow_kubeflow_trainer.local.pki import write_private

_NAME = "airflow-kubeflow-trainer-local"


def write_kubeconfig(file: Path, *, server: str, ca_file: Path, token: str) -> None:
    """Write a kubeconfig that lets in as administrator; only its owner can read it."""
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    content = f"""\
apiVersion: v1
kind: Config
current-context: {_NAME}
clusters:
- name: {_NAME}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
contexts:
- name: {_NAME}
  context:
    cluster: {_NAME}
    namespace: default
    user: {_NAME}
users:
- name: {_NAME}
  user:
    token: {token}
preferences: {{}}
"""
    write_private(file, content.encode())
