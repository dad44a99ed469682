"""``hf://``: a repository of the Hugging Face Hub, or of another hub that HF_ENDPOINT names."""

from __future__ import annotations

import logging

from airflow_kubeflow_trainer.local.initializers.settings import InitializerError, Settings

log = logging.getLogger(__name__)

MODEL_FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""What Trainer's model initializer takes of a repository."""


def fetch(settings: Settings) -> None:
    """Download the repository into the destination.

    :raises InitializerError: no such repository, no permission, or the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub import constants, errors

    repository = repository_name(settings)
    log.info("Downloading %s: %s", settings.kind, repository)
    where = f"{settings.kind} {repository} at {constants.ENDPOINT}"
    try:
        huggingface_hub.snapshot_download(
            repo_id=repository,
            repo_type=settings.kind,
            local_dir=settings.destination,
            allow_patterns=MODEL_FILES if settings.kind == "model" else None,
            ignore_patterns=settings.ignore_patterns,
            token=settings.access_token or False,
        )
    except errors.GatedRepoError as error:
        raise InitializerError(
            f"{where} is gated: accept its terms on the hub, and give the initializer ACCESS_TOKEN of who did"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InitializerError(f"{where} was not found, or is private and ACCESS_TOKEN does not open it") from error
    except Exception as error:
        raise InitializerError(f"{where} cannot be downloaded: {_first_line(error)}") from error
    log.info("The %s has been downloaded", settings.kind)


def repository_name(settings: Settings) -> str:
    """Return the repository that a URI names: owner/name.

    As with Trainer, what follows the name of a data set's repository is not looked at here.

    :raises InitializerError: the URI names none.
    """
    owner, path = settings.uri.netloc, settings.uri.path
    if settings.kind == "model":
        return owner + path
    name = path.split("/")[1] if "/" in path else ""
    if not name:
        raise InitializerError(f"{settings.storage_uri} must name a data set as hf://owner/name")
    return f"{owner}/{name}"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
