"""A certificate with its private key, as a Secret of type kubernetes.io/tls holds it.

Reading PEM is a pure function, so the verdict is part of the model. Whether a certificate has expired is not: nothing
here knows the time, and it is for clients to refuse it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from sealane.kube.objects import Object

CERTIFICATE = "tls.crt"
KEY = "tls.key"


@dataclass(frozen=True, slots=True)
class Pair:
    """chain: PEM, the server's own certificate first. names: its DNS names and addresses, without any its common name.

    problem: why no TLS server can use it, "" for a good one.
    """

    chain: bytes = b""
    key: bytes = field(default=b"", repr=False)
    names: tuple[str, ...] = ()
    problem: str = ""


def covers(names: Iterable[str], host: str) -> bool:
    """Whether a certificate with these names is one for `host`, itself possibly a wildcard: a wildcard stands for
    exactly one label (RFC 9525, section 6.3)."""
    known = {name.lower() for name in names}
    return host in known or (not host.startswith("*") and f"*.{host.partition('.')[2]}" in known)


def pair_of(secret: Object) -> Pair:
    """The pair in a Secret's `data` (or, in a manifest, `stringData`, which the API server moves there)."""
    try:
        chain, key = _field(secret, CERTIFICATE), _field(secret, KEY)
    except (binascii.Error, ValueError) as error:
        return Pair(problem=f"data is not base64: {error}")
    missing = [name for name, value in ((CERTIFICATE, chain), (KEY, key)) if not value]
    return Pair(problem=f"it has no {' and no '.join(missing)}") if missing else pair(chain, key)


def _field(secret: Object, name: str) -> bytes:
    text = (secret.raw.get("stringData") or {}).get(name)
    if text is not None:
        return str(text).encode()
    return base64.b64decode((secret.raw.get("data") or {}).get(name) or "", validate=True)


def pair(chain: bytes, key: bytes) -> Pair:
    """The pair of a PEM chain and a PEM key, judged as Envoy (BoringSSL) would: RSA of 2048 bits or more, or ECDSA on
    P-256, P-384 or P-521."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        own = x509.load_pem_x509_certificates(chain)[0]
        public = own.public_key()
        names = _names(own)
    except (ValueError, UnsupportedAlgorithm):
        return Pair(problem=f"{CERTIFICATE} holds no certificate in PEM that can be read")
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        return Pair(problem=f"{KEY} is encrypted")
    except (ValueError, UnsupportedAlgorithm):
        return Pair(problem=f"{KEY} holds no private key in PEM that can be read")
    of_key, of_certificate = (
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (private.public_key(), public)
    )
    if of_key != of_certificate:
        return Pair(problem=f"{KEY} is not the key of the certificate in {CERTIFICATE}")
    match public:
        case rsa.RSAPublicKey() if public.key_size < 2048:
            return Pair(problem=f"an RSA key of {public.key_size} bits is too short: at least 2048")
        case rsa.RSAPublicKey():
            return Pair(chain, key, names)
        case ec.EllipticCurvePublicKey() if public.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
            return Pair(chain, key, names)
    return Pair(problem="the proxy uses RSA keys, and ECDSA keys on P-256, P-384 or P-521")


def _names(certificate: object) -> tuple[str, ...]:
    from cryptography import x509

    assert isinstance(certificate, x509.Certificate)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(each.value) for each in common)
    addresses = (str(each) for each in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)
