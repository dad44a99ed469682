"""What the client of S3 says, by answers such as S3 gives."""

from __future__ import annotations

import os
from typing import Any

from diagnosis.failing.hub import answer
from diagnosis.failing.registry import failure


def _s3(endpoint: str, **keys: str) -> Any:
    os.environ.update({"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none", "AWS_MAX_ATTEMPTS": "1"})
    import boto3

    given = keys or {"aws_access_key_id": "AKIA", "aws_secret_access_key": "x"}
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **{} if "none" in keys else given)


def _s3_error(code: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"


@failure("hub", "s3-no-credentials")
def _() -> Any:
    return _s3(answer(200), none="").list_objects_v2(Bucket="models")


@failure("hub", "s3-credentials-refused")
def _() -> Any:
    return _s3(answer(403, body=_s3_error("InvalidAccessKeyId"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-forbidden")
def _() -> Any:
    return _s3(answer(403, body=_s3_error("AccessDenied"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-forbidden/head")
def _() -> Any:
    return _s3(answer(403)).head_object(Bucket="models", Key="x")


@failure("hub", "s3-not-found")
def _() -> Any:
    return _s3(answer(404, body=_s3_error("NoSuchBucket"))).list_objects_v2(Bucket="models")


@failure("hub", "s3-not-found/head")
def _() -> Any:
    return _s3(answer(404)).head_object(Bucket="models", Key="x")


@failure("hub", "s3-unreachable")
def _() -> Any:
    return _s3("http://127.0.0.1:9").list_objects_v2(Bucket="models")
