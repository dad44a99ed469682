"""References to Kubernetes Secrets: a config names a secret and never holds one."""

from __future__ import annotations

import re
from typing import Any

from airflow_kubeflow_trainer.config.arguments import OBJECT_NAME
from airflow_kubeflow_trainer.config.base import ConfigModel, field_check

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


class SecretRef(ConfigModel):
    """A Secret in the TrainJob's namespace, or one key of it.

    ``SecretRef("hf-token", key="token")`` gives one environment variable the key's value;
    ``SecretRef("s3-credentials")`` gives an initializer every key of the Secret as an environment variable, so that
    its keys must have the names that the initializer reads (ACCESS_TOKEN, ACCESS_KEY_ID, ...).
    """

    name: str
    """Name of the Secret."""
    key: str | None = None
    """Key within the Secret. Default: the whole Secret."""

    @field_check("name")
    def _check_name(cls, value: str) -> str:
        # What was written here may be a token by mistake, so no message shows it.
        if not OBJECT_NAME.fullmatch(value):
            raise ValueError("must be the name of a Secret in Kubernetes: lower-case letters, digits, '-' and '.'")
        return value

    @field_check("key")
    def _check_key(cls, value: str | None) -> str | None:
        if value is not None and not _KEY.fullmatch(value):
            raise ValueError("must be a key of the Secret: letters, digits, '-', '_' and '.'")
        return value

    def env(self, variable: str) -> dict[str, Any]:
        """Make the environment entry that takes its value from this key."""
        return {"name": variable, "valueFrom": {"secretKeyRef": {"name": self.name, "key": self.key}}}
