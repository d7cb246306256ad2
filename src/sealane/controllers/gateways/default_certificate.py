"""The certificate that the proxy of Ingresses shows where it has no other: ECDSA P-256, signed by itself, for a year.

Whoever wants another one there puts it into the Secret before, as ingress-nginx takes one by --default-ssl-certificate.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

from sealane.kube.kinds import SECRET
from sealane.kube.objects import Key, Raw
from sealane.network.certificates.pairs import CERTIFICATE, KEY
from sealane.network.routes.generated import MANAGED_BY
from sealane.network.routes.ingress.tls import DEFAULT
from sealane.network.routes.routing import Routing
from sealane.reactive.collections import Collection, derive

NAME = "Sealane Ingress Default Certificate"
HOST = "ingress.local"
DAYS = 365


def wanted(routing: Routing) -> Collection[Key, Raw]:
    """The Secret, as long as an Ingress of ours may need it."""
    return derive(
        "gateways.default_certificate", routing.named, lambda key, _named, _fetch: _secret() if key == DEFAULT else None
    )


@cache
def _secret() -> Raw:
    chain, key = _made()
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {
            "namespace": DEFAULT.namespace,
            "name": DEFAULT.name,
            "labels": {MANAGED_BY[0]: MANAGED_BY[1]},
        },
        "type": "kubernetes.io/tls",
        "data": {CERTIFICATE: base64.b64encode(chain).decode(), KEY: base64.b64encode(key).decode()},
    }


def _made() -> tuple[bytes, bytes]:
    """Certificate and key, PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
