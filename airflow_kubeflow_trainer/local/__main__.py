"""``python -m airflow_kubeflow_trainer.local``: a Kubernetes cluster with Kubeflow Trainer on this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.exceptions import ConfigError, KubeflowTrainerError
from airflow_kubeflow_trainer.local import arguments
from airflow_kubeflow_trainer.local.folder import AlreadyRunningError, ClusterFolder, NotRunningError

if TYPE_CHECKING:
    from airflow_kubeflow_trainer.local.running import ClusterOptions, RunningCluster

DEFAULT_DIRECTORY = Path.home() / ".airflow-kubeflow-trainer"
NODE_NAME = "local"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    options.folder = ClusterFolder(options.dir)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (AlreadyRunningError, NotRunningError, KubeflowTrainerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _up(options: argparse.Namespace) -> int:
    folder: ClusterFolder = options.folder
    folder.prepare()
    with folder.locked():
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        asyncio.run(_serve(options))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    # Here and not above: all else is answered without these imports, a second `up` too.
    from airflow_kubeflow_trainer.local.running import running_cluster

    @asynccontextmanager
    async def cluster() -> AsyncIterator[str]:
        async with running_cluster(_cluster_options(options)) as running:
            _announce(running)
            yield running.server

    await _until_stopped(options, cluster())


def _kubelet(options: argparse.Namespace) -> int:
    options.kubeconfig = options.kubeconfig.expanduser().absolute()
    if not options.kubeconfig.is_file():
        raise ConfigError(f"--kubeconfig: there is no file {options.kubeconfig}")
    folder: ClusterFolder = options.folder
    folder.prepare()
    with folder.locked():
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        asyncio.run(_serve_node(options))
    return 0


async def _serve_node(options: argparse.Namespace) -> None:
    from airflow_kubeflow_trainer.local.kubelet import Isolation, KubeletOptions
    from airflow_kubeflow_trainer.local.node import HEARTBEAT_SECONDS, running_node

    kubelet = KubeletOptions(
        directory=options.folder.directory,
        node_name=options.name,
        images=dict(options.image),
        image_env=dict(options.env),
        capacity=dict(options.capacity),
        restart_backoff_seconds=options.restart_backoff_seconds,
        client_ca_file=options.client_ca and options.client_ca.expanduser().absolute(),
        isolation=Isolation(options.isolation) if options.isolation else None,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )

    @asynccontextmanager
    async def node() -> AsyncIterator[str]:
        async with running_node(options.kubeconfig, kubelet) as server:
            print(f"This machine is node {options.name} of the cluster at {server}. Ctrl-C ends it.", flush=True)
            yield server

    await _until_stopped(options, node())


async def _until_stopped(options: argparse.Namespace, running: AbstractAsyncContextManager[str]) -> None:
    """Hold a context open until Ctrl-C, SIGTERM, or the end of whoever started this process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.end_with_stdin:

        def end() -> None:
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

        loop.add_reader(sys.stdin.fileno(), end)

    ready = asyncio.Event()

    async def serve() -> None:
        async with running as server:
            ready.set()
            if options.ready_fd is not None:
                with os.fdopen(options.ready_fd, "w") as pipe:
                    pipe.write(server)
            await stop.wait()

    serving = asyncio.create_task(serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ready.is_set():
        serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def _cluster_options(options: argparse.Namespace) -> ClusterOptions:
    from airflow_kubeflow_trainer.local.kubelet import Isolation
    from airflow_kubeflow_trainer.local.running import ClusterOptions

    return ClusterOptions(
        directory=options.folder.directory,
        port=options.port,
        images=dict(options.image),
        image_env=dict(options.env),
        capacity=dict(options.capacity),
        restart_backoff_seconds=options.restart_backoff_seconds,
        isolation=Isolation(options.isolation) if options.isolation else None,
    )


def _announce(cluster: RunningCluster) -> None:
    kubeconfig = cluster.folder.kubeconfig
    connection = json.dumps({"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}})
    print(
        f"The local cluster is ready at {cluster.server}\n\n"
        f"  export KUBECONFIG={shlex.quote(str(kubeconfig))}\n"
        f"  export AIRFLOW_CONN_KUBERNETES_DEFAULT={shlex.quote(connection)}\n\n"
        "Ctrl-C stops it; what it holds is kept for the next start.",
        flush=True,
    )


def _down(options: argparse.Namespace) -> int:
    folder: ClusterFolder = options.folder
    pid, server = folder.running()
    os.kill(pid, signal.SIGTERM)
    folder.wait_unlocked()
    print(f"The cluster at {server} has stopped")
    return 0


def _status(options: argparse.Namespace) -> int:
    pid, server = options.folder.running()
    print(f"The local cluster is running at {server}, as process {pid}; its kubeconfig is {options.folder.kubeconfig}")
    return 0


def _node(options: argparse.Namespace) -> int:
    _, server = options.folder.running()
    asyncio.run(_operate(options, server))
    return 0


async def _operate(options: argparse.Namespace, server: str) -> None:
    from airflow_kubeflow_trainer.cluster.client import Client
    from airflow_kubeflow_trainer.cluster.credentials import Credentials
    from airflow_kubeflow_trainer.local.kubelet import node_operations

    folder: ClusterFolder = options.folder
    credentials = Credentials.from_token(server=server, ca_file=folder.ca_certificate, token=folder.token())
    async with Client(credentials) as client:
        operation: Callable[..., Awaitable[Any]] = getattr(node_operations, options.operation)
        pods = await operation(client, options.name)
    print(f"node {options.name}: {options.operation}" + (f" took away {', '.join(pods)}" if pods else ""))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_kubeflow_trainer.local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    where = "the cluster's folder (default: %(default)s)"
    common.add_argument("--dir", type=arguments.folder, default=DEFAULT_DIRECTORY, help=where)
    _add_up(commands.add_parser("up", parents=[common], help="run the cluster until Ctrl-C"))
    down = commands.add_parser("down", parents=[common], help="stop the cluster of a folder")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", parents=[common], help="tell whether a folder's cluster is running")
    status.set_defaults(run=_status)
    node = commands.add_parser("node", parents=[common], help="provoke a node's troubles")
    node.add_argument("operation", choices=("cordon", "drain", "lose", "restore"))
    node.add_argument("name", nargs="?", type=arguments.name, default=NODE_NAME, help="the node (default: %(default)s)")
    node.set_defaults(run=_node)
    _add_kubelet(commands.add_parser("kubelet", help="be a node of another cluster until Ctrl-C"))
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument(
        "--port", type=arguments.port, default=0, help="the API server's port (default: as last time, or a free one)"
    )
    _add_node_options(up)
    up.set_defaults(run=_up)


def _add_kubelet(kubelet: argparse.ArgumentParser) -> None:
    kubelet.add_argument(
        "--kubeconfig",
        type=Path,
        required=True,
        help="of the cluster: its administrator's, or a scheduler's and node's",
    )
    kubelet.add_argument(
        "--dir",
        type=arguments.folder,
        default=DEFAULT_DIRECTORY / "node",
        help="where pods and volumes lie (default: %(default)s)",
    )
    kubelet.add_argument(
        "--name", type=arguments.name, default=NODE_NAME, help="the node's name (default: %(default)s)"
    )
    kubelet.add_argument(
        "--client-ca",
        type=Path,
        metavar="FILE",
        help="who signed the certificate that the API server reads logs with (default: who signed its own)",
    )
    _add_node_options(kubelet)
    kubelet.set_defaults(run=_kubelet)


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--image",
        type=arguments.image,
        action="append",
        default=[],
        metavar="PATTERN=PATH",
        help="run images whose name is like PATTERN (*, ?) in the Python environment at PATH; may be repeated",
    )
    parser.add_argument(
        "--env",
        type=arguments.pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable that all images have, for example HF_ENDPOINT=https://hub.example.com",
    )
    parser.add_argument(
        "--capacity",
        type=arguments.capacity,
        action="append",
        default=[],
        metavar="RESOURCE=QUANTITY",
        help="what the node is to offer instead of what this machine has, for example nvidia.com/gpu=2; "
        "may be repeated",
    )
    parser.add_argument(
        "--restart-backoff-seconds",
        type=arguments.seconds,
        default=10.0,
        metavar="SECONDS",
        help="wait before a container's second restart, doubling up to 300 (default: %(default)s)",
    )
    parser.add_argument("--isolation", choices=("root", "user", "none"), help="how containers are kept apart")
    # How a program that starts the cluster learns that it is ready, and takes it along when it ends itself.
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--end-with-stdin", action="store_true", help=argparse.SUPPRESS)


if __name__ == "__main__":
    sys.exit(main())
