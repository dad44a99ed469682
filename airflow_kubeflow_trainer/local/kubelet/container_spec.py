"""From a container of a pod to what its supervisor is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.local.kubelet import log_segments, objects
from airflow_kubeflow_trainer.local.kubelet.environment import ContainerConfigError, resolve_environment
from airflow_kubeflow_trainer.local.kubelet.expansion import expand
from airflow_kubeflow_trainer.local.kubelet.images import HOME, HOST_ROOT, TERMINATION_LOG, Image, keeps_host_network
from airflow_kubeflow_trainer.local.kubelet.isolation import Isolation
from airflow_kubeflow_trainer.local.kubelet.objects import Pod
from airflow_kubeflow_trainer.local.kubelet.pod_context import PodContext
from airflow_kubeflow_trainer.local.kubelet.rewriting import Rewriter
from airflow_kubeflow_trainer.local.kubelet.supervisor.spec import Mount, Root, Spec
from airflow_kubeflow_trainer.local.quantity import parse_quantity

_TEMPORARY = "/tmp"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run of one container: its log, its end, its termination message."""

    folder: Path
    run: int

    @property
    def log(self) -> Path:
        """The first segment of the log."""
        return self.folder / f"{self.run}.log"

    @property
    def exit(self) -> Path:
        return self.folder / f"{self.run}.exit"

    @property
    def termination_message(self) -> Path:
        return self.folder / f"{self.run}.termination"

    def make(self) -> None:
        """Make the folder, and an empty termination message to mount."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.termination_message.touch()
        self.termination_message.chmod(0o666)

    def delete(self) -> None:
        log_segments.delete(self.log)
        for path in (self.exit, self.termination_message):
            path.unlink(missing_ok=True)


def run_files(pod_folder: Path, container_name: str, run: int) -> RunFiles:
    return RunFiles(pod_folder / "containers" / container_name, run)


async def build_spec(
    context: PodContext,
    container: Mapping[str, Any],
    image: Image,
    files: RunFiles,
    *,
    device_env: Mapping[str, str],
    root_folder: Path,
) -> Spec:
    """Return how the container is to be run.

    :raises ContainerConfigError: what it refers to is missing.
    """
    own = await resolve_environment(context.pod, container, context.source, allocatable=context.node.allocatable)
    hostname = str(context.pod["spec"].get("hostname") or objects.name(context.pod))[:63]
    env = {**image.variables(), "HOSTNAME": hostname, **device_env, **own}
    argv = _argv(container, image, own)
    mounts = [*_system_mounts(context, container, image, files), *context.volumes.mounts(container, own)]
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    isolated = context.sandbox.isolation is not Isolation.NONE
    spec = Spec(
        argv=argv,
        env=env,
        working_directory=container.get("workingDir") or image.working_directory,
        log_file=str(files.log),
        log_segment_bytes=context.node.log_segment_bytes,
        log_segments=context.node.log_segments,
        exit_file=str(files.exit),
        memory_limit_bytes=int(parse_quantity(limit)) if limit else None,
        hostname=hostname if isolated else None,
        user_namespace_fd=context.sandbox.namespaces.user_fd,
        network_namespace_fd=None
        if keeps_host_network(context.pod, context.node.images)
        else context.sandbox.namespaces.network_fd,
    )
    private = [_TEMPORARY, HOME, image.working_directory]
    if isolated:
        return _isolated(spec, image, mounts, private_folders=private, root_folder=root_folder)
    return _rewritten(context.pod, spec, mounts, private_folders=private, root_folder=root_folder)


def _argv(container: Mapping[str, Any], image: Image, env: Mapping[str, str]) -> list[str]:
    entrypoint = [expand(str(part), env) for part in container.get("command") or []] or list(image.entrypoint)
    argv = [*entrypoint, *(expand(str(part), env) for part in container.get("args") or [])]
    if not argv:
        raise ContainerConfigError("no command specified")
    return argv


def _system_mounts(context: PodContext, container: Mapping[str, Any], image: Image, files: RunFiles) -> list[Mount]:
    termination = container.get("terminationMessagePath") or TERMINATION_LOG
    mounts = [
        Mount(source=str(files.termination_message), target=termination),
        Mount(source=str(context.sandbox.hosts_file), target="/etc/hosts"),
    ]
    if image.host_files:
        mounts.append(Mount(source="/", target=HOST_ROOT))
    return mounts


def _isolated(spec: Spec, image: Image, mounts: list[Mount], *, private_folders: list[str], root_folder: Path) -> Spec:
    private = [folder for folder in private_folders if folder != "/"]
    hidden = [str(path) for path in image.needed_folders() if any(path.is_relative_to(p) for p in private)]
    kept = [Mount(source=path, target=path) for path in hidden]
    root_folder.mkdir(parents=True, exist_ok=True)
    root = Root(folder=str(root_folder), mounts=[*kept, *mounts], private_folders=private)
    return replace(spec, root=root)


def _rewritten(pod: Pod, spec: Spec, mounts: list[Mount], *, private_folders: list[str], root_folder: Path) -> Spec:
    folders = {path: str(root_folder) + path for path in private_folders if path not in ("/", _TEMPORARY)}
    for path in folders.values():
        Path(path).mkdir(parents=True, exist_ok=True)
    folders.update({mount.target: mount.source for mount in mounts if mount.target != "/etc/hosts"})
    rewrite = Rewriter(pod, folders=folders)
    return replace(
        spec,
        argv=[rewrite(text) for text in spec.argv],
        env={name: rewrite(value) for name, value in spec.env.items()},
        working_directory=rewrite(spec.working_directory),
    )
