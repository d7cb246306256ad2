"""Certificates of authorities, as a ConfigMap (or a Secret) holds them under ca.crt."""

from __future__ import annotations

import base64
import binascii

import msgspec

from sealane.kube.objects import Object

BUNDLE = "ca.crt"


class Authority(msgspec.Struct, frozen=True):
    """pem: one certificate or more. problem: why nobody can be checked by it, "" for a good one."""

    pem: str = ""
    problem: str = ""


def authority_of(item: Object) -> Authority:
    """The bundle in a ConfigMap's or Secret's data."""
    text = (item.raw.get("data") or {}).get(BUNDLE) or (item.raw.get("stringData") or {}).get(BUNDLE) or ""
    if item.kind == "Secret" and text and BUNDLE not in (item.raw.get("stringData") or {}):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            return Authority(problem=f"data is not base64: {error}")
    return authority(text) if text else Authority(problem=f"it has no {BUNDLE}")


def authority(pem: str) -> Authority:
    """The bundle, judged: every certificate in it can be read."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return Authority(problem=f"{BUNDLE} holds no certificate in PEM that can be read")
    return Authority(pem) if found else Authority(problem=f"{BUNDLE} holds no certificate")
