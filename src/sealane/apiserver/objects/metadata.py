"""The metadata that the server writes into objects, and the shape that metadata must have.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from sealane.apiserver.errors import bad_request, invalid, required
from sealane.kube.kinds import Kind
from sealane.kube.names import Check
from sealane.kube.objects import Raw, canonical_version
from sealane.kube.problems import quoted

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as k8s.io/apimachinery/pkg/util/rand: no vowels, no words
_GENERATED_PREFIX = 58  # 63 characters less the suffix


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
    """Checks that `raw` is a `kind` with metadata of the right types. Raises ApiError 400."""
    try:
        envelope = msgspec.convert(raw, _Envelope)
    except msgspec.ValidationError as error:
        raise bad_request(
            f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}: {error}"
        ) from None
    version = canonical_version(envelope.apiVersion)
    if (envelope.kind and envelope.kind != kind.kind) or (version and version.rpartition("/")[0] != kind.group):
        raise bad_request(
            f"the object provided is a {version} {envelope.kind}, "
            f"which is not the {kind.api_version} {kind.kind} that is served here"
        )
    if version and version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    if not kind.group.count("."):  # kinds of Kubernetes itself: these are structures
        for field in ("spec", "status"):
            if not isinstance(raw.get(field), Mapping | None):
                raise bad_request(
                    f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}: "
                    f"Expected `object`, got `{type(raw[field]).__name__}` - at `$.{field}`"
                )


def check_name(kind: Kind, name: str, check: Check, field: str = "metadata.name") -> None:
    """check: what the kind's names may be. Raises ApiError 422."""
    if not name:
        raise required(kind, name, field, "name or generateName is required")
    causes = [(field, "FieldValueInvalid", f"Invalid value: {quoted(name)}: {why}") for why in check(name)]
    if causes:
        raise invalid(kind, name, *causes)


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
