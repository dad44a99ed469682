"""What Trainer's and JobSet's own manifests make of a cluster: definitions, webhooks, runtimes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from airflow_kubeflow_trainer.cluster.client import Client
from tests.control_plane import programs

Object = dict[str, Any]

_APPLY = "application/apply-patch+yaml"
_PLURALS = {
    "CustomResourceDefinition": "customresourcedefinitions",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "ClusterTrainingRuntime": "clustertrainingruntimes",
}


def folder() -> Path:
    """Where `make control-plane` has put them."""
    return programs.BUILT / "manifests"


def definitions(crds: Path | None = None) -> list[Object]:
    """Return the CRDs of a folder; by default those of Trainer and JobSet."""
    files = sorted((crds or folder() / "crds").glob("*.yaml"))
    return [{key: part for key, part in crd.items() if key != "status"} for crd in documents(*files)]


def cluster_runtimes() -> list[Object]:
    """Return the ClusterTrainingRuntimes that Trainer ships."""
    found = documents(*sorted((folder() / "runtimes").rglob("*.yaml")))
    return [runtime for runtime in found if runtime["kind"] == "ClusterTrainingRuntime"]


def webhooks(*, ports: Mapping[str, int], ca: Path) -> list[Object]:
    """Return the webhook configurations, for servers on ports of this machine.

    :param ports: those of `trainer` and `jobset`.
    """
    hooks = []
    for who, port in ports.items():
        for hook in documents(folder() / f"{who}-webhooks.yaml"):
            # The names and selectors that Trainer's and JobSet's kustomizations give them.
            hook["metadata"]["name"] = _hook_name(who, hook["kind"])
            for index, webhook in enumerate(hook["webhooks"]):
                webhook["clientConfig"] = reached_at(port, webhook["clientConfig"]["service"]["path"], ca=ca)
                _select(who, hook["kind"], index, webhook)
            hooks.append(hook)
    return hooks


def reached_at(port: int, path: str, *, ca: Path) -> Object:
    """Say how the API server reaches a webhook of this machine."""
    return {"url": f"https://127.0.0.1:{port}{path}", "caBundle": in_base64(ca)}


async def apply(client: Client, body: Object, **params: Any) -> None:
    """Create an object, or bring it to this."""
    path = f"/apis/{body['apiVersion']}/{_PLURALS[body['kind']]}/{body['metadata']['name']}"
    await client.patch(path, body, content_type=_APPLY, params={"fieldManager": "tests", "force": True, **params})


def in_base64(file: Path) -> str:
    """Return a file as Kubernetes' objects hold it."""
    return base64.b64encode(file.read_bytes()).decode()


def documents(*files: Path) -> list[Object]:
    """Return all that stands in files of YAML."""
    return [document for file in files for document in yaml.load_all(file.read_text(), yaml.CSafeLoader) if document]


def _hook_name(who: str, kind: str) -> str:
    mutating = kind.startswith("Mutating")
    if who == "trainer":
        return "defaulter.trainer.kubeflow.org" if mutating else "validator.trainer.kubeflow.org"
    return "jobset-mutating" if mutating else "jobset-validating"


def _select(who: str, kind: str, index: int, webhook: dict[str, Any]) -> None:
    if who == "trainer" and kind.startswith("Validating") and index < 2:
        disabled = {"key": "trainer.kubeflow.org/webhook-validation", "operator": "NotIn", "values": ["disabled"]}
        webhook["objectSelector"] = {"matchExpressions": [disabled]}
    if who == "jobset" and "pod" in webhook["name"]:
        theirs = {"key": "jobset.sigs.k8s.io/jobset-name", "operator": "Exists"}
        webhook["objectSelector"] = {"matchExpressions": [theirs]}
