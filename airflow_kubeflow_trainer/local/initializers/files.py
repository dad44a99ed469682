"""``file://``: a folder or a file of this machine."""

from __future__ import annotations

import fnmatch
import logging
import shutil
from pathlib import Path
from urllib.parse import unquote

from airflow_kubeflow_trainer.local.initializers.settings import InitializerError, Settings

log = logging.getLogger(__name__)


def fetch(settings: Settings) -> None:
    """Copy the folder's content, or the file, into the destination.

    :raises InitializerError: there is no such file, or it cannot be read.
    """
    named = Path(unquote(settings.uri.path))
    if settings.uri.netloc not in ("", "localhost") or not settings.uri.path.startswith("/"):
        raise InitializerError(f"{settings.storage_uri} must be file:///absolute/path")
    source = settings.host_root / named.relative_to("/")
    log.info("Copying %s: %s", settings.kind, named)
    try:
        settings.destination.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns(*settings.ignore_patterns or [])
            shutil.copytree(source, settings.destination, dirs_exist_ok=True, ignore=ignored)
        elif source.is_file():
            if not any(fnmatch.fnmatch(source.name, pattern) for pattern in settings.ignore_patterns or []):
                shutil.copy(source, settings.destination / source.name)
        else:
            raise InitializerError(f"{named} does not exist on this machine")
    except (OSError, shutil.Error) as error:
        raise InitializerError(f"{named} cannot be copied: {error}") from error
    log.info("The %s has been copied", settings.kind)
