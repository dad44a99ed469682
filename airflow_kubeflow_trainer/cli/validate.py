"""``validate``: whether a cluster would admit a TrainJob. It is asked by a dry run: nothing is created."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.cli.cluster import ask
from airflow_kubeflow_trainer.cli.exits import Exit
from airflow_kubeflow_trainer.cli.output import write_json
from airflow_kubeflow_trainer.cluster.trainjobs import TrainJobApi
from airflow_kubeflow_trainer.exceptions import ApiError, ConfigError, TrainJobRejectedError

if TYPE_CHECKING:
    from airflow_kubeflow_trainer.hooks.trainer import KubeflowTrainerHook

Build = Callable[[TrainJobApi], Awaitable[Mapping[str, Any]]]


def run(options: argparse.Namespace) -> int:
    """Say whether it would be admitted, and if not, why: in the cluster's own words."""
    if (options.manifest is None) == (options.task_id is None):
        raise ConfigError("name a DAG and a task, or --manifest FILE")
    build, hook = _task(options) if options.manifest is None else (_file(options), None)
    name, refusal = ask(options, lambda api: _ask(api, build), otherwise=hook)
    if options.output == "json":
        write_json({"name": name, "admitted": refusal is None, "message": refusal})
    else:
        print(f"TrainJob {name} would be admitted" if refusal is None else f"TrainJob {name} is refused: {refusal}")
    return Exit.DONE if refusal is None else Exit.NO


async def _ask(api: TrainJobApi, build: Build) -> tuple[str, str | None]:
    """Give the TrainJob's name, and why it is refused."""
    name = "?"
    try:
        manifest = await build(api)
        name = _name(manifest)
        await api.create(manifest, dry_run=True)
    except (TrainJobRejectedError, ConfigError) as error:
        return name, str(error)
    except ApiError as error:
        if not _is_refusal(error):
            raise
        return name, error.message
    return name, None


def _is_refusal(error: ApiError) -> bool:
    """Whether it is about the TrainJob, not about us."""
    is_ours = error.status in (400, 409, 413, 422)
    return is_ours or (error.status == 403 and "admission webhook" in error.message)


def _task(options: argparse.Namespace) -> tuple[Build, KubeflowTrainerHook]:
    """Build a task's TrainJob of the runtime that the cluster has; by default on the task's own cluster."""
    from airflow_kubeflow_trainer.cli.tasks import rendered_task
    from airflow_kubeflow_trainer.cluster.submission import read_runtime

    operator, identity = rendered_task(options)
    options.namespace = options.namespace or operator.cluster["namespace"]

    async def build(api: TrainJobApi) -> Mapping[str, Any]:
        assumed = operator.stock_runtime() or operator.assumed_runtime()
        runtime, warning = await read_runtime(api, operator.runtime, operator.runtime_kind, assumed=assumed)
        if warning:
            print(f"validate: {warning}", file=sys.stderr)
        return operator.build_manifest(operator.options(identity, runtime, api.namespace))

    return build, operator.hook()


def _file(options: argparse.Namespace) -> Build:
    import yaml

    try:
        text = sys.stdin.read() if options.manifest == "-" else Path(options.manifest).read_text()
        manifest = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"--manifest: {options.manifest} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != "TrainJob":
        raise ConfigError(f"--manifest: {options.manifest} holds no TrainJob (kind: TrainJob)")
    metadata = manifest.setdefault("metadata", {})
    options.namespace = options.namespace or metadata.get("namespace")

    async def build(api: TrainJobApi) -> Mapping[str, Any]:
        return {**manifest, "metadata": {"namespace": api.namespace, **metadata}}

    return build


def _name(manifest: Mapping[str, Any]) -> str:
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata.get('name') or metadata.get('generateName', '?')}"
