"""A whole local cluster, once for all tests that do not need one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_kubeflow_trainer.local.cluster import LocalCluster


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster that restarts failed containers at once."""
    directory: Path = tmp_path_factory.mktemp("local-cluster")
    with LocalCluster(directory, restart_backoff_seconds=0) as cluster:
        yield cluster
