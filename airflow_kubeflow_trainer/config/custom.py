"""What a custom training runs on, and what it runs where that is no function."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field

from airflow_kubeflow_trainer.config.base import ConfigModel, field_check
from airflow_kubeflow_trainer.config.environment import Environment
from airflow_kubeflow_trainer.config.kubernetes import LARGEST_INTEGER, MAX_ARGUMENTS
from airflow_kubeflow_trainer.config.resources import Resources

_REQUIREMENT = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]*\s*(\[[^\]]*\])?\s*([<>=!~@;( ].*)?", re.DOTALL)


class CustomTrainerConfig(ConfigModel):
    """The arguments of a custom training that are plain data."""

    image: str | None = Field(default=None, min_length=1, max_length=500)
    command: list[str] | None = Field(default=None, max_length=MAX_ARGUMENTS)
    args: list[str] | None = Field(default=None, max_length=MAX_ARGUMENTS)
    packages_to_install: list[str] | None = None
    pip_index_urls: list[str] | None = None
    num_nodes: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER)
    num_proc_per_node: int | None = Field(default=None, ge=1, le=LARGEST_INTEGER)
    resources_per_node: Resources | None = None
    env: Environment | None = None

    @field_check("packages_to_install")
    def _check_packages(cls, value: list[str] | None) -> list[str] | None:
        for package in value or ():
            if not _REQUIREMENT.fullmatch(package):
                raise ValueError(
                    f"{package!r} names no package; write them as in requirements.txt: ['torchvision==0.22.*', ...]. "
                    "Another index goes into pip_index_urls, pip's options into env: {'PIP_PRE': '1'}"
                )
        return value

    @field_check("pip_index_urls")
    def _check_urls(cls, value: list[str] | None) -> list[str] | None:
        for url in value or ():
            parts = urlsplit(url)
            if not parts.scheme:
                raise ValueError("must be URLs, such as 'https://pypi.org/simple'")
            if parts.username or parts.password:
                raise ValueError(
                    "an address with a password in it would be seen by all who may see the TrainJob; put the whole "
                    "address into a Secret, and use env={'PIP_INDEX_URL': SecretRef(name, key=...)}"
                )
        return value
