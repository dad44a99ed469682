"""The real control plane with the real Kueue, which admits TrainJobs; `make kueue` builds it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from demo.airflow_stack import free_ports
from tests.control_plane import manifests
from tests.control_plane.plane import ControlPlane
from tests.control_plane.programs import ROOT, ControlPlaneError

BUILT = ROOT / ".build" / "kueue"
GROUP = "kueue.x-k8s.io"
API = f"/apis/{GROUP}/v1beta1"
FLAVOR = "default-flavor"
# As Kueue's kustomization has it.
_CONVERTED = {"clusterqueues", "cohorts", "localqueues", "multikueueclusters", "workloads"}
_HOOKS = ("trainjob", "clusterqueue", "cohort", "resourceflavor", "workload")
"""Whose webhooks are installed: of other kinds of jobs there are none here."""


class KueuePlane(ControlPlane):
    """A control plane whose TrainJobs may wait in queues."""

    def __init__(self, directory: Path) -> None:
        if not (BUILT / "bin" / "kueue").exists():
            raise ControlPlaneError("The real Kueue is not built: run `make kueue`")
        super().__init__(directory)
        self._kueue_port, self._health_port = free_ports(2)

    async def _install(self) -> None:
        await super()._install()
        async with self.client() as client:
            await self._serve(
                client, [self._converted(crd) for crd in manifests.definitions(BUILT / "manifests" / "crds")]
            )
            self._start_kueue()
            for hook in manifests.documents(BUILT / "manifests" / "webhooks.yaml"):
                await manifests.apply(client, self._own(hook))
            flavor = {"apiVersion": f"{GROUP}/v1beta1", "kind": "ResourceFlavor", "metadata": {"name": FLAVOR}}
            # Its webhook's server comes up meanwhile.
            await self._until(lambda: client.create(f"{API}/resourceflavors", flavor))

    def _converted(self, crd: dict[str, Any]) -> dict[str, Any]:
        if crd["spec"]["names"]["plural"] in _CONVERTED:
            hook = {
                "clientConfig": self._reached_at("/convert"),
                "conversionReviewVersions": ["v1"],
            }
            crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": hook}
        return crd

    def _own(self, hook: dict[str, Any]) -> dict[str, Any]:
        hook["metadata"]["name"] = f"kueue-{hook['metadata']['name']}"
        hook["webhooks"] = [each for each in hook["webhooks"] if each["name"][1:].removesuffix(".kb.io") in _HOOKS]
        for each in hook["webhooks"]:
            each["clientConfig"] = self._reached_at(each["clientConfig"]["service"]["path"])
        return hook

    def _reached_at(self, path: str) -> dict[str, Any]:
        return manifests.reached_at(self._kueue_port, path, ca=self.ca_file)

    def _start_kueue(self) -> None:
        folder = self.directory / "kueue"
        folder.mkdir()
        serving = self._pki.serving
        for source, name in ((serving.certificate, "tls.crt"), (serving.key, "tls.key")):
            shutil.copy(source, folder / name)
        config = folder / "config.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "config.kueue.x-k8s.io/v1beta1",
                    "kind": "Configuration",
                    "health": {"healthProbeBindAddress": f"127.0.0.1:{self._health_port}"},
                    "metrics": {"bindAddress": "0"},
                    "webhook": {"port": self._kueue_port, "certDir": str(folder)},
                    "leaderElection": {"leaderElect": False},
                    "internalCertManagement": {"enable": False},
                    "clientConnection": {"qps": 200, "burst": 400},
                    "featureGates": {"VisibilityOnDemand": False},
                    "integrations": {"frameworks": ["trainer.kubeflow.org/trainjob"]},
                }
            )
        )
        # Where it looks for the certificate of its metrics cannot be set, so it has a /etc of its own.
        certificates = "/etc/kueue/metrics/certs"
        script = f'mount -t tmpfs none /etc && mkdir -p {certificates} && cp "$0"/tls.* {certificates} && exec "$@"'
        namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
        within = ["unshare", *namespaces, "sh", "-c", script, str(folder)]
        environment = {"KUBECONFIG": str(self.kubeconfig)}
        self._programs.start("kueue", f"--config={config}", built=BUILT, within=within, **environment)
