"""The cluster's certificates: its authority's, the API server's own, and the one that kubelets demand of it."""

from __future__ import annotations

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = datetime.timedelta(days=3650)
_RENEWED_BEFORE = datetime.timedelta(days=30)
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""As whom the API server reads logs."""
_AUTHORITY = "airflow-kubeflow-trainer local cluster"

_Extensions = list[tuple[x509.ExtensionType, bool]]
"""Each with whether it is critical."""


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        return self.certificate.exists() and self.key.exists()


@dataclass(frozen=True)
class Pki:
    """The files of a cluster's certificates. The authority's key is not kept: nothing more is to be signed."""

    ca_certificate: Path
    serving: KeyPair
    kubelet_client: KeyPair


def ensure_pki(directory: Path) -> Pki:
    """Return a cluster's certificates; made where they are missing or soon to end, kept otherwise."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki = Pki(directory / "ca.crt", _pair(directory, "apiserver"), _pair(directory, "apiserver-kubelet-client"))
    if not _usable(pki):
        _make(pki)
    return pki


def _pair(directory: Path, name: str) -> KeyPair:
    return KeyPair(directory / f"{name}.crt", directory / f"{name}.key")


def _usable(pki: Pki) -> bool:
    if not (pki.ca_certificate.exists() and pki.serving.exists() and pki.kubelet_client.exists()):
        return False
    # Written last, once all others were: what holds for its date holds for theirs.
    last = x509.load_pem_x509_certificate(pki.kubelet_client.certificate.read_bytes())
    return last.not_valid_after_utc - _RENEWED_BEFORE > datetime.datetime.now(datetime.UTC)


def _make(pki: Pki) -> None:
    authority = _Authority()
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([address, x509.DNSName("localhost")])
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    write_private(pki.ca_certificate, authority.certificate.public_bytes(serialization.Encoding.PEM))
    _write(pki.serving, *authority.issue("kube-apiserver", [(server, False), (names, False)]))
    _write(pki.kubelet_client, *authority.issue(KUBELET_CLIENT, [(client, False)]))


class _Authority:
    """A new certificate authority, and what it signs."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        extensions: _Extensions = [(constraints, True), (_key_usage(signs=True), True)]
        self.certificate = self._sign(self._key, _AUTHORITY, extensions)

    def issue(self, common_name: str, extensions: _Extensions) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        common: _Extensions = [(constraints, True), (_key_usage(signs=False), True)]
        return self._sign(key, common_name, [*common, *extensions]), key

    def _sign(self, key: ec.EllipticCurvePrivateKey, common_name: str, extensions: _Extensions) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        public = key.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name(_AUTHORITY))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _write(pair: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(pair.key, private)
    write_private(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    partial.replace(file)
