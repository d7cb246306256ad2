"""What the server itself says in an object's metadata, and the shape that metadata must have.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import msgspec

from sealane.apiserver.errors import bad_request, invalid, required
from sealane.kube.kinds import IPADDRESS, NAMESPACE, SERVICE, Kind
from sealane.kube.objects import Raw

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as k8s.io/apimachinery/pkg/util/rand: no vowels, no words
_GENERATED_PREFIX = 58  # 63 characters less the suffix

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PATH_SEGMENT = re.compile(r"(?!\.\.?$)[^/%]+")


class OwnerReference(msgspec.Struct):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    blockOwnerDeletion: bool | None = None


class _Metadata(msgspec.Struct):
    name: str | None = None
    generateName: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resourceVersion: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    ownerReferences: list[OwnerReference] | None = None
    managedFields: list[dict[str, Any]] | None = None
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None
    creationTimestamp: str | None = None
    generation: int | None = None


class _Envelope(msgspec.Struct):
    apiVersion: str = ""
    kind: str = ""
    metadata: _Metadata | None = None


def check_envelope(kind: Kind, raw: Any) -> None:
    """That `raw` is a `kind` with metadata of the right types. Raises ApiError 400."""
    try:
        envelope = msgspec.convert(raw, _Envelope)
    except msgspec.ValidationError as error:
        raise bad_request(
            f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}: {error}"
        ) from None
    if (envelope.kind and envelope.kind != kind.kind) or (
        envelope.apiVersion and envelope.apiVersion.rpartition("/")[0] != kind.group
    ):
        raise bad_request(
            f"the object provided is a {envelope.apiVersion} {envelope.kind}, "
            f"which is not the {kind.api_version} {kind.kind} that is served here"
        )
    if envelope.apiVersion and envelope.apiVersion != kind.api_version:
        raise bad_request(
            f"the API version in the data ({envelope.apiVersion}) does not match the expected API version "
            f"({kind.api_version})"
        )
    if not kind.group.count("."):  # kinds of Kubernetes itself: these are structures
        for field in ("spec", "status"):
            if not isinstance(raw.get(field), Mapping | None):
                raise bad_request(
                    f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}: "
                    f"Expected `object`, got `{type(raw[field]).__name__}` - at `$.{field}`"
                )


def check_name(kind: Kind, name: str, field: str = "metadata.name") -> None:
    """Raises ApiError 422 for a name that the kind cannot have (RFC 1123 subdomain, or stricter)."""
    if not name:
        raise required(kind, name, field, "name or generateName is required")
    if kind == NAMESPACE:
        pattern, longest, what = _LABEL, 63, _LABEL_SAYS
    elif kind == SERVICE:
        pattern, longest, what = _LABEL_1035, 63, _LABEL_1035_SAYS
    elif kind == IPADDRESS:
        if not _is_canonical(name):
            raise invalid(kind, name, (field, "FieldValueInvalid", f'Invalid value: "{name}": {_ADDRESS_SAYS}'))
        return
    elif kind.group == "rbac.authorization.k8s.io":
        pattern, longest, what = _PATH_SEGMENT, 253, 'may not be "." or ".." or contain "/" or "%"'
    else:
        pattern, longest, what = _SUBDOMAIN, 253, _SUBDOMAIN_SAYS
    if len(name) > longest:
        what = f"must be no more than {longest} characters"
    elif pattern.fullmatch(name):
        return
    raise invalid(kind, name, (field, "FieldValueInvalid", f'Invalid value: "{name}": {what}'))


def _is_canonical(address: str) -> bool:
    try:
        return str(ip_address(address)) == address
    except ValueError:
        return False


_ADDRESS_SAYS = "must be an IP address in canonical form"
_LABEL_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_SAYS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def generated_name(prefix: str) -> str:
    return prefix[:_GENERATED_PREFIX] + "".join(random.choices(_SUFFIX, k=5))


def new_uid() -> str:
    """A random UUID (RFC 9562, version 4)."""
    # Unique, not secret: without a system call each. (The generator is seeded anew in every forked process.)
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def with_metadata(raw: Raw, **changes: Any) -> Raw:
    """`raw` with these metadata fields; None removes one."""
    metadata = {key: value for key, value in {**raw["metadata"], **changes}.items() if value is not None}
    return {**raw, "metadata": metadata}
