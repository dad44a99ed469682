"""``python -m airflow_kubeflow_trainer.local.initializers dataset|model``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow_kubeflow_trainer.local.initializers import files, hugging_face, s3
from airflow_kubeflow_trainer.local.initializers.settings import InitializerError, Settings

_FETCHERS = {"hf": hugging_face.fetch, "s3": s3.fetch, "file": files.fetch}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what STORAGE_URI names; return the exit code.

    What went wrong is the last line on standard error, and the termination message.
    """
    parser = argparse.ArgumentParser(prog="initializers", description="Fetch a data set or a model.")
    parser.add_argument("kind", choices=["dataset", "model"])
    parser.add_argument("--workspace", type=Path, default=Path("/workspace"), help="its folder KIND is filled")
    parser.add_argument("--host-root", type=Path, default=Path("/"), help="where file:// paths begin")
    parser.add_argument("--termination-log", type=Path, default=Path("/dev/termination-log"))
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)-8s %(message)s", level=logging.INFO)
    # It would repeat each request of the hub's client.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings.from_environment(
            os.environ, kind=options.kind, workspace=options.workspace, host_root=options.host_root
        )
        _fetch(settings)
    except InitializerError as error:
        return _fail(f"{options.kind} initializer: {error}", options.termination_log)
    return 0


def _fetch(settings: Settings) -> None:
    fetcher = _FETCHERS.get(settings.uri.scheme)
    if fetcher is None:
        known = ", ".join(f"{scheme}://" for scheme in _FETCHERS)
        raise InitializerError(f"STORAGE_URI {settings.storage_uri} must begin with one of {known}")
    fetcher(settings)


def _fail(message: str, termination_log: Path) -> int:
    line = " ".join(message.split())
    print(line, file=sys.stderr, flush=True)
    try:
        termination_log.write_text(line)
    except OSError as error:
        logging.getLogger(__name__).debug("There is no termination log: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
