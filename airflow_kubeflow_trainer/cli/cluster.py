"""Which cluster a command is about."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from airflow_kubeflow_trainer.cluster import kubeconfig
from airflow_kubeflow_trainer.cluster.client import Client
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ConfigError
from airflow_kubeflow_trainer.hooks.connection import ClusterSettings

if TYPE_CHECKING:
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

T = TypeVar("T")


def ask(
    options: argparse.Namespace,
    work: Callable[[TrainJobApi], Awaitable[T]],
    *,
    otherwise: KubeflowTrainerHook | None = None,
) -> T:
    """Do something with the cluster that the options name.

    :param otherwise: leads to the cluster where they name none. Default: the default kubeconfig.
    :raises ConfigError: they name none, or one that cannot be used.
    """
    if otherwise is not None and not _names_cluster(options):
        settings, namespace = otherwise.settings, options.namespace or otherwise.namespace
    else:
        settings, namespace = _cluster(options)

    async def call() -> T:
        async with Client(await settings.credentials(), renew=settings.credentials) as client:
            return await work(TrainJobApi(client, namespace=namespace))

    return asyncio.run(call())


def _names_cluster(options: argparse.Namespace) -> bool:
    """Whether the options say which cluster is meant."""
    return any(value is not None for value in (options.conn_id, options.kubeconfig, options.context))


def _cluster(options: argparse.Namespace) -> tuple[ClusterSettings, str]:
    if options.conn_id is not None:
        if options.kubeconfig is not None or options.context is not None:
            raise ConfigError("a connection says itself which cluster it leads to: name it, or --kubeconfig, not both")
        return _connection(options.conn_id, options.namespace)
    settings = ClusterSettings(config_file=options.kubeconfig, cluster_context=options.context)
    if settings.is_in_cluster():
        settings = replace(settings, in_cluster=True)
    return settings, options.namespace or _namespace_of(options, settings) or settings.default_namespace()


def _connection(conn_id: str, namespace: str | None) -> tuple[ClusterSettings, str]:
    # As `airflow connections test` does: connections come from the environment, a secrets backend or the database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

    hook = KubeflowTrainerHook(conn_id, namespace=namespace)
    return hook.settings, hook.namespace


def _namespace_of(options: argparse.Namespace, settings: ClusterSettings) -> str | None:
    # As kubectl, and other than a connection, whose own field names it.
    if settings.in_cluster:
        return None
    try:
        return kubeconfig.read(options.kubeconfig, context=options.context).namespace
    except (ConfigError, OSError):
        # What is wrong with it is said where it is used.
        return None
