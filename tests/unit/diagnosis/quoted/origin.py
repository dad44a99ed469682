"""A message and where it stands, and the versions of the systems that were looked into."""

from __future__ import annotations

from dataclasses import dataclass

K8S = "kubernetes v1.36.3"
TORCH = "torch 2.13.0"
CUDA = "CUDA 13.0 cudaGetErrorString"
CONTAINERD = "containerd v2.4.0-beta.0-70-g301026e58"
RUNC = "runc v1.5.0-rc.1-213-g76d9cf5da"
GO = "Go 1.26"
KUEUE = "kueue v0.15.0"


@dataclass(frozen=True)
class Quoted:
    entry: str
    text: str
    origin: str
