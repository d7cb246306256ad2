"""Credentials of a cluster: a CA, the API server's certificate, an admin token and the key that signs the tokens of
ServiceAccounts, made once and kept.

Making certificates needs `cryptography`; reading them does not, so only a cluster's first start pays for the import.
"""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sealane.kube.client import kubeconfig

NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
ADDRESSES = (
    "127.0.0.1",
    "::1",
    "10.96.0.1",
    "fd00:10:96::1",
    "172.18.0.2",
    "fd00:172:18::2",
)
_YEARS = 10
_FILES = ("ca.crt", "ca.key", "server.crt", "server.key", "sa.key", "token")


@dataclass(frozen=True, slots=True)
class Credentials:
    """ca: PEM text of the CA's certificate. token: the admin's. The others are PEM files.

    ca_key signs client certificates (CertificateSigningRequests), account_key the tokens of ServiceAccounts.
    """

    ca: str
    server_certificate: Path
    server_key: Path
    ca_key: Path
    account_key: Path
    token: str = field(repr=False)


def ensure(folder: Path) -> Credentials:
    """The credentials in `folder`, made when they are not all there. Raises OSError."""
    if not all((folder / name).is_file() for name in _FILES):
        _make(folder)
    return Credentials(
        (folder / "ca.crt").read_text(),
        folder / "server.crt",
        folder / "server.key",
        folder / "ca.key",
        folder / "sa.key",
        (folder / "token").read_text().strip(),
    )


def issue(
    credentials: Credentials, common_name: str, names: Iterable[str], addresses: Iterable[str]
) -> tuple[bytes, bytes]:
    """A certificate for a server, signed by the cluster's CA and followed by the CA's own, and its key; both PEM."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)
    ca = x509.load_pem_x509_certificate(credentials.ca.encode())
    ca_key = serialization.load_pem_private_key(credentials.ca_key.read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [*map(x509.DNSName, names), *(x509.IPAddress(ip_address(address)) for address in addresses)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + credentials.ca.encode(), private


def server_context(credentials: Credentials) -> ssl.SSLContext:
    """For the server side of TLS, 1.2 and up. Clients may show a certificate of the cluster's CA; most bear a token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(credentials.server_certificate, credentials.server_key)
    context.load_verify_locations(cadata=credentials.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def write_kubeconfig(path: Path, server: str, credentials: Credentials, name: str) -> None:
    """A kubeconfig at `path`, mode 0600, whose context, cluster and user are called `name`."""
    kubeconfig.write(path, kubeconfig.Access(server=server, ca=credentials.ca, token=credentials.token), name)


def _make(folder: Path) -> None:
    """A new CA for each cluster."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)
    ca_key, server_key, account_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealane")])

    def builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=365 * _YEARS))
        )

    def usage(signs_certificates: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=signs_certificates,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )

    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .add_extension(ca_identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    alternatives = [*map(x509.DNSName, NAMES), *(x509.IPAddress(ip_address(address)) for address in ADDRESSES)]
    server = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]), server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM

    def private(key: ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "ca.crt", ca.public_bytes(pem))
    _write(folder / "server.crt", server.public_bytes(pem))
    _write(folder / "server.key", private(server_key))
    _write(folder / "ca.key", private(ca_key))
    _write(folder / "sa.key", private(account_key))
    _write(folder / "token", secrets.token_urlsafe(32).encode())


def _write(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
    os.replace(beside, path)
