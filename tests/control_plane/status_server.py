"""What Trainer needs for its feature TrainJobStatus, by which trainings report to it: as in a pod of its own."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.resources import NAMESPACES, SECRETS, SERVICE_ACCOUNTS

NAMESPACE = "kubeflow-system"
SECRET = "kubeflow-trainer-webhook-cert"
ACCOUNT = "kubeflow-trainer-controller-manager"

# In mounts of its own: it looks for its token where Kubernetes puts one into a pod, and this one of its servers for its
# certificate in /tmp, whatever TMPDIR says.
_WITH_TOKEN = """
mkdir -p /tmp/k8s-webhook-server
mount --bind $TMPDIR/k8s-webhook-server /tmp/k8s-webhook-server
mount -t tmpfs none /run
folder=/var/run/secrets/kubernetes.io/serviceaccount
mkdir -p $folder
cp "$1" $folder/token
shift
exec "$@"
"""


def settings(port: int) -> dict[str, Any]:
    """What its configuration says of it."""
    return {"featureGates": {"TrainJobStatus": True}, "statusServer": {"port": port}}


async def prepare(client: Client, *, ca_file: Path, token_file: Path) -> None:
    """Give it an account, whose token tells it who signs tokens here, and the authority that trainings are to trust."""
    await client.create(NAMESPACES.path(), {"metadata": {"name": NAMESPACE}})
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    await client.create(
        SECRETS.path(namespace=NAMESPACE), {"metadata": {"name": SECRET}, "data": {"ca.crt": authority}}
    )
    await client.create(SERVICE_ACCOUNTS.path(namespace=NAMESPACE), {"metadata": {"name": ACCOUNT}})
    answer = await client.create(
        SERVICE_ACCOUNTS.path(namespace=NAMESPACE, name=ACCOUNT, subresource="token"),
        {"spec": {"expirationSeconds": 3600}},
    )
    token_file.touch(mode=0o600)
    token_file.write_text(answer["status"]["token"])


def with_token(token_file: Path) -> list[str]:
    """What comes before its command line."""
    namespaces = "--mount" if os.geteuid() == 0 else "--user --map-root-user --mount"
    return ["unshare", *namespaces.split(), "sh", "-ec", _WITH_TOKEN, "sh", str(token_file)]
