"""Certificates for a control plane of the tests: one authority, and what it signs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_kubeflow_trainer.local.pki import KeyPair, ensure_pki


@dataclass(frozen=True)
class Certificates:
    """Files, PEM all of them."""

    ca: Path
    serving: KeyPair
    client: KeyPair
    """The API server's own, by which kubelets know it."""
    service_accounts: Path
    """The key that signs the tokens of service accounts."""


def make(directory: Path) -> Certificates:
    """Make all that a control plane needs."""
    pki = ensure_pki(directory)
    service_accounts = directory / "service-accounts.key"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    service_accounts.touch(mode=0o600)
    service_accounts.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificates(pki.ca_certificate, pki.serving, pki.kubelet_client, service_accounts)
