"""The key that signs ServiceAccount tokens: JSON Web Tokens with ES256 (RFC 7515, 7518 §3.4), and its public half.

`cryptography` is imported when the first token is signed or read: a cluster without tokens never imports it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_PART = 32  # bytes of r and of s, and of a coordinate, on P-256


class SigningKey:
    """A P-256 key in a PEM file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(self._path.read_bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        return key

    @cached_property
    def id(self) -> str:
        """As upstream makes it: the SHA-256 of the public key (PKIX, DER), base64url without padding."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _encode(hashlib.sha256(der).digest())

    def jwk(self) -> Raw:
        """The public half as a JSON Web Key (RFC 7517)."""
        point = self._key.public_key().public_numbers()
        x, y = (_encode(number.to_bytes(_PART, "big")) for number in (point.x, point.y))
        return {"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}

    def sign(self, claims: Raw) -> str:
        """The compact serialisation of `claims`."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        head = {"alg": "ES256", "kid": self.id}
        signed = f"{_encode(msgspec.json.encode(head))}.{_encode(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(SHA256())))
        return f"{signed}.{_encode(r.to_bytes(_PART, 'big') + s.to_bytes(_PART, 'big'))}"

    def read(self, token: str) -> Raw | None:
        """The claims of a token that this key has signed; None for any other text."""
        parts = token.split(".")
        if len(parts) != 3:
            return None
        try:
            head, claims = (msgspec.json.decode(_decode(part)) for part in parts[:2])
            signature = _decode(parts[2])
        except (msgspec.DecodeError, binascii.Error, ValueError):
            return None
        if not isinstance(head, dict) or head.get("alg") != "ES256" or not isinstance(claims, dict):
            return None
        if len(signature) != 2 * _PART or not self._signed(f"{parts[0]}.{parts[1]}", signature):
            return None
        return claims

    def _signed(self, text: str, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        r, s = (int.from_bytes(half, "big") for half in (signature[:_PART], signature[_PART:]))
        try:
            self._key.public_key().verify(encode_dss_signature(r, s), text.encode(), ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def peeked(token: str) -> dict[str, Any] | None:
    """The claims of a token, unchecked; None when it is not one at all."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(_decode(parts[1]))
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
