"""Certificate signing requests (PKCS #10, RFC 2986): read, judged by the rules of their signer, and signed.

Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
`cryptography` is imported when the first request comes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from cryptography import x509

CLIENT = "kubernetes.io/kube-apiserver-client"
NODE_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVER = "kubernetes.io/kubelet-serving"
_NODES = "system:nodes"
_NODE = "system:node:"
_YEAR = 365 * 24 * 3600
_EITHER = frozenset({"digital signature", "key encipherment"})


class Refused(ValueError):
    """The request is not what its signer signs; the message says why."""


class Signer(msgspec.Struct, frozen=True):
    """The rules of one signer for a request. needs: a usage that has to be there. nodes: it signs for nodes only."""

    needs: str
    nodes: bool = False
    addressed: bool = False


SIGNERS = {
    CLIENT: Signer("client auth"),
    NODE_CLIENT: Signer("client auth", nodes=True),
    NODE_SERVER: Signer("server auth", nodes=True, addressed=True),
}


def read(request: str) -> x509.CertificateSigningRequest:
    """request: base64 of PEM, as spec.request holds it. Raises Refused."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_csr(base64.b64decode(request, validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise Refused("PEM block type must be CERTIFICATE REQUEST") from None
    if not found.is_signature_valid:
        raise Refused("x509: the signature of the request is not valid")
    return found


def organizations(request: str) -> list[str]:
    """The groups that a request asks for; [] when it cannot be read."""
    from cryptography.x509.oid import NameOID

    try:
        return [str(each.value) for each in read(request).subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    except Refused:
        return []


def sign(request: str, signer: Signer, usages: Sequence[str], seconds: int | None, ca: str, ca_key: Path) -> str:
    """The certificate, PEM. Raises Refused."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    found = read(request)
    names = _alternatives(found)
    _check(found, signer, usages, names)
    authority = x509.load_pem_x509_certificate(ca.encode())
    key = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    ends = min(now + timedelta(seconds=seconds or _YEAR), authority.not_valid_after_utc)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if signer.addressed else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(found.subject)
        .issuer_name(authority.subject)
        .public_key(found.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(ends)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if _EITHER & set(usages):  # RFC 5280 §4.2.1.3: where there is this extension, it says something
        usage = _key_usage("digital signature" in usages, "key encipherment" in usages)
        builder = builder.add_extension(usage, critical=True)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _alternatives(found: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    from cryptography import x509

    try:
        return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _check(found: x509.CertificateSigningRequest, signer: Signer, usages: Sequence[str], names: Any) -> None:
    from cryptography.x509.oid import NameOID

    if signer.needs not in usages or not set(usages) <= _EITHER | {signer.needs}:
        raise Refused(f"usages did not match {sorted(_EITHER | {signer.needs})}")
    if not signer.nodes:
        return
    groups = [each.value for each in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    name = "".join(str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    if groups != [_NODES]:
        raise Refused(f"subject organization is not {_NODES}")
    if not name.startswith(_NODE):
        raise Refused(f"subject common name does not begin with {_NODE}")
    if signer.addressed and not names:
        raise Refused("DNS or IP subjectAltName is required")
    if not signer.addressed and names is not None:
        raise Refused("DNS subjectAltNames are not allowed")


def _key_usage(signature: bool, encipherment: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=signature,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
