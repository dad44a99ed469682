"""The real control plane: etcd, kube-apiserver, kube-controller-manager, JobSet and Trainer, as processes.

What it takes was found by running it; `make control-plane` builds the programs.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.exceptions import ApiError, ClusterUnreachableError
from airflow_kubeflow_trainer.local.pki import KUBELET_CLIENT, KeyPair
from demo.airflow_stack import free_ports
from tests.control_plane import certificates, manifests, status_server
from tests.control_plane.programs import ControlPlaneError, Programs

READY_SECONDS = 60.0
TRAINER = "trainer-controller-manager"
CONTROLLERS = (
    "job",
    "garbagecollector",
    "namespace",
    "serviceaccount",
    # Without it a deleted job's claim stays Terminating for ever.
    "persistentvolumeclaim-protection-controller",
    # Which take pods away from nodes that are in trouble, or gone. The second needs what the first makes.
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "pod-garbage-collector-controller",
)
"""Of kube-controller-manager's."""
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Ports:
    etcd: int
    etcd_peer: int
    api: int
    trainer: int
    trainer_health: int
    trainer_status: int
    jobset: int
    jobset_health: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(len(fields(cls))))


class ControlPlane:
    """A cluster without nodes, in a folder of its own. Use as a context manager.

    Its processes die with the thread that starts them, however that ends.

    :param only_crds: folder of the CRDs to serve, with no controller behind them: an API server, and nothing else.
        Default: all that belongs to Kubeflow Trainer.
    :param trainer_status: have Trainer's feature TrainJobStatus on, which by default is off.
    """

    def __init__(self, directory: Path, *, only_crds: Path | None = None, trainer_status: bool = False) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self._programs = Programs(directory, logs=self.logs)
        self.kubeconfig = directory / "kubeconfig"
        self.token = secrets.token_urlsafe(24)
        self._ports = Ports.free()
        self._only_crds = only_crds
        self._trainers_token = directory / "trainers-token" if trainer_status else None
        self._pki = certificates.make(directory / "pki")

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self._ports.api}"

    @property
    def ca_file(self) -> Path:
        return self._pki.ca

    @property
    def kubelet_client(self) -> KeyPair:
        """The certificate by which kubelets know the API server."""
        return self._pki.client

    def credentials(self, token: str | None = None) -> Credentials:
        """The administrator's, or those of another token."""
        return Credentials.from_token(server=self.server, ca_file=self.ca_file, token=token or self.token)

    @asynccontextmanager
    async def client(self, token: str | None = None) -> AsyncIterator[Client]:
        async with Client(self.credentials(token)) as client:
            yield client

    def call(self, verb: str, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Call one method of `Client` as administrator, on a connection of its own; also within a coroutine."""

        async def work() -> dict[str, Any]:
            async with self.client() as client:
                answer: dict[str, Any] = await getattr(client, verb)(path, *arguments, **options)
                return answer

        # In a thread, which has no event loop yet.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, work()).result()

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._write_kubeconfig()
        try:
            self._start_api_server()
            asyncio.run(self._install())
            self.let_read_logs(KUBELET_CLIENT)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all of its processes."""
        self._programs.stop_all()

    @asynccontextmanager
    async def without_trainer(self) -> AsyncIterator[None]:
        """Have Trainer's manager dead while the context lasts, and with it the webhooks that it serves."""
        self._programs.stop(TRAINER)
        try:
            yield
        finally:
            self._start_trainer()
            async with self.client() as client:
                await self._until_webhooks_answer(client, dryRun="All")

    def _start_api_server(self) -> None:
        ports, pki = self._ports, self._pki
        etcd, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
        self._programs.start(
            "server",
            f"--data-dir={self.directory / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{self.token},admin,admin,"system:masters"\n')
        self._programs.start(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--secure-port={ports.api}",
            "--bind-address=127.0.0.1",
            f"--tls-cert-file={pki.serving.certificate}",
            f"--tls-private-key-file={pki.serving.key}",
            f"--client-ca-file={pki.ca}",
            f"--kubelet-client-certificate={pki.client.certificate}",
            f"--kubelet-client-key={pki.client.key}",
            f"--service-account-issuer={self.server}",
            f"--service-account-jwks-uri={self.server}/openid/v1/jwks",
            f"--service-account-key-file={pki.service_accounts}",
            f"--service-account-signing-key-file={pki.service_accounts}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged",
            f"--cert-dir={self.directory / 'apiserver'}",
        )

    def pid(self, program: str) -> int:
        """The process of one of its programs."""
        return self._programs.pid(program)

    def let_read_logs(self, user: str, *, permitted: bool = True) -> None:
        """Permit the owner of a client certificate to read logs of kubelets, or take that back.

        Clusters permit it to their API server.
        """
        path, name = f"/apis/{_RBAC}/v1/clusterrolebindings", f"reads-logs-{user}"
        if not permitted:
            self.call("delete", f"{path}/{name}")
            return
        binding = {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
        }
        self.call("create", path, binding)

    async def _install(self) -> None:
        async with self.client() as client:
            await self._until(lambda: client.get("/api/v1/namespaces/default"))
            await self._until(lambda: client.get("/api/v1/namespaces/kube-system"))
            await self._serve(client, manifests.definitions(self._only_crds))
            if self._only_crds is not None:
                return
            if self._trainers_token is not None:
                await status_server.prepare(client, ca_file=self.ca_file, token_file=self._trainers_token)
            self._start_job_controller()
            self._start_jobset()
            self._start_trainer()
            ports = {"trainer": self._ports.trainer, "jobset": self._ports.jobset}
            for hook in manifests.webhooks(ports=ports, ca=self.ca_file):
                await manifests.apply(client, hook)
            await self._until_webhooks_answer(client)

    async def _serve(self, client: Client, definitions: list[dict[str, Any]]) -> None:
        """Have the API server know of more kinds."""
        for definition in definitions:
            await manifests.apply(client, definition)
            group, version = definition["spec"]["group"], definition["spec"]["versions"][0]["name"]
            plural = definition["spec"]["names"]["plural"]
            await self._until(lambda of=f"/apis/{group}/{version}", plural=plural: _discovered(client, of, plural))

    async def _until_webhooks_answer(self, client: Client, **params: str) -> None:
        """Apply the runtimes that Trainer ships, which takes its webhooks."""
        for runtime in manifests.cluster_runtimes():
            await self._until(lambda runtime=runtime: manifests.apply(client, runtime, **params))

    def _start_job_controller(self) -> None:
        self._programs.start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={self._pki.service_accounts}",
            f"--root-ca-file={self.ca_file}",
        )

    def _start_jobset(self) -> None:
        config = {
            "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
            "internalCertManagement": {"enable": False},
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._ports.jobset_health}"},
            "webhook": {"port": self._ports.jobset},
        }
        self._start_manager("jobset", config)

    def _start_trainer(self) -> None:
        config = {
            "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
            "certManagement": {"enable": False},
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._ports.trainer_health}"},
            "webhook": {"port": self._ports.trainer},
            "clientConnection": {"qps": 200, "burst": 400},
        }
        within: Sequence[str] = ()
        if self._trainers_token is not None:
            config |= status_server.settings(self._ports.trainer_status)
            within = status_server.with_token(self._trainers_token)
        self._start_manager(TRAINER, config, within=within)

    def _start_manager(self, program: str, config: Mapping[str, Any], *, within: Sequence[str] = ()) -> None:
        folder = self.directory / program
        for purpose in ("k8s-webhook-server", "k8s-metrics-server"):
            # Where controller-runtime looks for its certificates.
            certs = folder / purpose / "serving-certs"
            certs.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._pki.serving.certificate, certs / "tls.crt")
            shutil.copy(self._pki.serving.key, certs / "tls.key")
        off = {"leaderElection": {"leaderElect": False}, "metrics": {"bindAddress": "0"}}
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump({"kind": "Configuration", **config, **off}))
        environment = {"KUBECONFIG": str(self.kubeconfig), "TMPDIR": str(folder)}
        self._programs.start(program, f"--config={file}", within=within, **environment)

    async def _until(self, work: Callable[[], Awaitable[Any]]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._programs.check()
            try:
                await work()
                return
            except (ApiError, ClusterUnreachableError, ControlPlaneError) as error:
                if time.monotonic() > deadline:
                    raise ControlPlaneError(f"The control plane is not ready: {error}\nLogs: {self.logs}") from error
            await asyncio.sleep(0.1)

    def _write_kubeconfig(self) -> None:
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(self.kubeconfig_for(self.token)))

    def kubeconfig_for(self, token: str) -> dict[str, Any]:
        """A kubeconfig for the owner of a token."""
        cluster = {"server": self.server, "certificate-authority-data": manifests.in_base64(self.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "plane", "cluster": cluster}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "me"}}],
            "current-context": "plane",
        }


async def _discovered(client: Client, path: str, plural: str) -> None:
    """See that a resource is served and told of; the managers look it up when they start, and then no more.

    :raises ControlPlaneError: it is not told of yet.
    """
    await client.get(f"{path}/{plural}")
    if not any(resource["name"] == plural for resource in (await client.get(path))["resources"]):
        raise ControlPlaneError(f"{path} does not tell of {plural}")
