"""What can be set about a kubelet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airflow_kubeflow_trainer.local.kubelet.images import Image, stock_images
from airflow_kubeflow_trainer.local.kubelet.isolation import Isolation


@dataclass(frozen=True, kw_only=True)
class KubeletOptions:
    """One kubelet: where it keeps things and what it runs."""

    directory: Path
    """Its folder: ``pods/<uid>/`` and ``volumes/<namespace>/<claim>/`` lie in it."""
    node_name: str = "local"
    images: Mapping[str, Image | Path] = field(default_factory=dict)
    """What images are here, by pattern (``ghcr.io/acme/*``); a path is a Python environment. They come before the stock
    ones: the initializers, torchtune-trainer, pytorch and python."""
    image_env: Mapping[str, str] = field(default_factory=dict)
    """Variables that every stock image has and a container's own env overrides: HF_ENDPOINT, proxies, CA bundles.
    Nothing else of this process' environment reaches a container."""
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Overrides of the node's capacity by resource name; cores, memory and GPUs are found otherwise."""
    restart_backoff_seconds: float = 10.0
    """Wait before a container's second restart; it doubles up to 300 s. The first restart comes at once, as in
    Kubernetes. 0 restarts always at once."""
    log_segment_bytes: int = 10 * 1024 * 1024
    log_segments: int = 5
    """How much of each run's log is kept: so many files of so many bytes, the newest; Kubernetes' own defaults."""
    client_ca_file: Path | None = None
    """Who must have signed the client certificate of those that read logs; the API server says which of them may.
    None serves no logs."""
    port: int = 0
    """Port of the log server on 127.0.0.1; 0 picks a free one."""
    isolation: Isolation | None = None
    """How containers are kept apart; None takes the best that this machine allows."""
    heartbeat_seconds: float | None = None
    """How often the node says that it is still there. None is for a cluster in which nobody counts, and where the taint
    of a lost node is an order to play dead."""

    def all_images(self) -> dict[str, Image]:
        """Return the user's images, then the stock ones."""
        own = {
            pattern: image if isinstance(image, Image) else Image(environment=image, env=self.image_env)
            for pattern, image in self.images.items()
        }
        return {**own, **{key: value for key, value in stock_images(self.image_env).items() if key not in own}}

    @property
    def pods_directory(self) -> Path:
        return self.directory / "pods"

    @property
    def volumes_directory(self) -> Path:
        return self.directory / "volumes"
