"""The kubelet's own TLS: a certificate made anew at each start, and client certificates demanded."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_kubeflow_trainer.local.kubelet.environment import LOOPBACK

_LIFETIME = datetime.timedelta(days=3650)


def serving_context(*, client_ca_file: Path) -> ssl.SSLContext:
    """Return TLS for a server on loopback that only lets in who has a certificate of the given authority.

    The certificate is self-signed: an API server accepts any of a kubelet unless told otherwise.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca_file))
    context.verify_mode = ssl.CERT_REQUIRED
    # Python reads a certificate from a file only; the file is gone before anybody connects.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(_self_signed())
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubelet")])
    now = datetime.datetime.now(datetime.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
