"""References to Kubernetes Secrets: a config names a secret and never holds one."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_kubeflow_trainer.config.base import ConfigModel


class SecretRef(ConfigModel):
    """A Secret in the TrainJob's namespace, or one key of it.

    ``SecretRef("hf-token", key="token")`` gives one environment variable the key's value;
    ``SecretRef("s3-credentials")`` gives an initializer every key of the Secret as an environment variable, so that
    its keys must have the names that the initializer reads (ACCESS_TOKEN, ACCESS_KEY_ID, ...).
    """

    name: str = Field(min_length=1)
    """Name of the Secret."""
    key: str | None = None
    """Key within the Secret. Default: the whole Secret."""

    def env(self, variable: str) -> dict[str, Any]:
        """Make the environment entry that takes its value from this key."""
        return {"name": variable, "valueFrom": {"secretKeyRef": {"name": self.name, "key": self.key}}}
