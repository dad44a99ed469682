"""``s3://``: the objects of a bucket whose keys begin with a prefix."""

from __future__ import annotations

import fnmatch
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kubeflow_trainer.local.initializers.settings import InitializerError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

DEFAULT_REGION = "us-east-1"


def fetch(settings: Settings) -> None:
    """Download the objects into the destination, by their keys below the prefix.

    :raises InitializerError: no such bucket, no permission, or the store cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    bucket, prefix = settings.uri.netloc, settings.uri.path.lstrip("/")
    log.info("Downloading files from S3 bucket: %s, prefix: %s", bucket, prefix)
    settings.destination.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        client = _client(settings)
        for key in _keys(client, bucket, prefix):
            if any(fnmatch.fnmatch(key, pattern) for pattern in settings.ignore_patterns or []):
                log.info("Skipping ignored file: %s", key)
                continue
            path = _destination(settings.destination, key, prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            log.info("Downloading %s to %s", key, path)
            client.download_file(bucket, key, str(path))
            count += 1
    except (BotoCoreError, ClientError) as error:
        raise InitializerError(f"{settings.storage_uri} cannot be downloaded: {error}") from error
    if count == 0:
        log.warning("There is no object under %s", settings.storage_uri)
    log.info("Files have been downloaded")


def _client(settings: Settings) -> Any:
    import boto3  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]

    # As opendal does: the bucket in the path wherever the endpoint is one's own.
    config = Config(s3={"addressing_style": "path" if settings.endpoint else "auto"}, retries={"max_attempts": 4})
    region = settings.region or DEFAULT_REGION
    session = boto3.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        region_name=region,
    )
    if settings.role_arn:
        answer = session.client("sts").assume_role(RoleArn=settings.role_arn, RoleSessionName="initializer")
        lent = answer["Credentials"]
        session = boto3.Session(
            aws_access_key_id=lent["AccessKeyId"],
            aws_secret_access_key=lent["SecretAccessKey"],
            aws_session_token=lent["SessionToken"],
            region_name=region,
        )
    return session.client("s3", endpoint_url=settings.endpoint, config=config)


def _keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield entry["Key"]


def _destination(folder: Path, key: str, prefix: str) -> Path:
    relative = key[len(prefix) :].lstrip("/") or Path(key).name
    path = folder / relative
    if ".." in Path(relative).parts:
        raise InitializerError(f"the key {key!r} would leave the folder {folder}")
    return path
