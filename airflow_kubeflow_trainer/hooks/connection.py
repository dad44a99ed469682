"""What an Airflow connection of type ``kubernetes`` says about a cluster.

The type belongs to the cncf.kubernetes provider, and so do the names of its fields; we read them and declare no
connection type of our own, which would take theirs over for the whole deployment.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_kubeflow_trainer.cluster import credentials
from airflow_kubeflow_trainer.cluster.credentials import Credentials
from airflow_kubeflow_trainer.exceptions import ConfigError

DEFAULT_NAMESPACE = "default"
_POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """How to reach a cluster, as a connection's extra fields and an operator's arguments say together."""

    in_cluster: bool = False
    config_file: str | None = None
    kube_config: Mapping[str, Any] | None = field(default=None, repr=False)
    cluster_context: str | None = None
    namespace: str | None = None
    verify_ssl: bool = True

    @classmethod
    def from_extras(
        cls,
        extras: Mapping[str, Any],
        *,
        in_cluster: bool | None = None,
        config_file: str | None = None,
        cluster_context: str | None = None,
    ) -> ClusterSettings:
        """Join a connection's extra fields with arguments, which come first.

        :raises ConfigError: more than one way to the cluster is named.
        """
        kube_config = _field(extras, "kube_config")
        settings = cls(
            in_cluster=bool(in_cluster if in_cluster is not None else _is_true(_field(extras, "in_cluster"))),
            config_file=config_file or _field(extras, "kube_config_path"),
            kube_config=_parsed(kube_config) if kube_config else None,
            cluster_context=cluster_context or _field(extras, "cluster_context"),
            namespace=_field(extras, "namespace"),
            verify_ssl=not _is_true(_field(extras, "disable_verify_ssl")),
        )
        ways = {
            "in_cluster": settings.in_cluster,
            "kube_config_path (config_file)": settings.config_file,
            "kube_config": settings.kube_config,
        }
        chosen = [name for name, value in ways.items() if value]
        if len(chosen) > 1:
            raise ConfigError(f"The kubernetes connection names {' and '.join(chosen)}; only one of them can be used")
        return settings

    def key(self) -> str:
        """Give the same text for the same settings, and for no others. It holds secrets where the settings do."""
        return json.dumps(asdict(self), sort_keys=True, default=str)

    async def credentials(self) -> Credentials:
        """Read the credentials anew: tokens and certificates may have changed since the last time.

        :raises ConfigError: there is no such kubeconfig, context, or service account.
        """
        try:
            found = await self._load()
        except (ConfigError, OSError) as error:
            raise ConfigError(f"The cluster's credentials cannot be read from {self._source()}: {error}") from error
        return found if self.verify_ssl else replace(found, ssl_context=_unverified(found.ssl_context))

    async def _load(self) -> Credentials:
        if self.is_in_cluster():
            return await credentials.in_cluster()
        if self.kube_config is not None:
            return await credentials.from_kubeconfig_dict(self.kube_config, context=self.cluster_context)
        return await credentials.from_kubeconfig(self.config_file, context=self.cluster_context)

    def is_in_cluster(self) -> bool:
        """Whether the service account of our own pod is used: asked for, or nothing else is named."""
        return self.in_cluster or (self._source() == _DEFAULT_SOURCE and _POD_NAMESPACE_FILE.exists())

    def _source(self) -> str:
        if self.in_cluster:
            return "the pod's service account"
        if self.kube_config is not None:
            return "the connection's kube_config"
        return self.config_file or _DEFAULT_SOURCE

    def default_namespace(self) -> str:
        """Give the namespace for those who name none: the connection's, the pod's own, else ``default``."""
        if self.namespace:
            return self.namespace
        if self.in_cluster and _POD_NAMESPACE_FILE.exists():
            return _POD_NAMESPACE_FILE.read_text().strip()
        return DEFAULT_NAMESPACE


_DEFAULT_SOURCE = "the default kubeconfig (KUBECONFIG, else ~/.kube/config)"


def _field(extras: Mapping[str, Any], name: str) -> Any:
    # Connections saved before Airflow 2.3 carry the long names.
    value = extras.get(name, extras.get(f"extra__kubernetes__{name}"))
    return None if value == "" else value


def _is_true(value: Any) -> bool:
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def _parsed(kube_config: Any) -> Mapping[str, Any]:
    if isinstance(kube_config, Mapping):
        return kube_config
    import yaml

    try:
        parsed = json.loads(kube_config) if kube_config.lstrip().startswith("{") else yaml.safe_load(kube_config)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError("The connection's kube_config is neither JSON nor YAML") from error
    if not isinstance(parsed, Mapping):
        raise ConfigError("The connection's kube_config is not a kubeconfig: it must be a mapping")
    return parsed


def _unverified(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    if context is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
