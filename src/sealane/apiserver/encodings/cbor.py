"""CBOR bodies and answers, for clients that ask for them. cbor2 is imported with the first one.

Source: KEP-4222 and k8s.io/apimachinery/pkg/runtime/serializer/cbor: every item begins with the tag "self-described
CBOR"; byte strings are read as text; tags 21 to 23 around one say in which encoding JSON would write it; what JSON
cannot say (NaN, undefined, big numbers, keys that are no strings) is refused.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from sealane.apiserver.errors import bad_request

MEDIA_TYPE = "application/cbor"
SEQUENCE = "application/cbor-seq"
APPLY = "application/apply-patch+cbor"

_SELF_DESCRIBED = b"\xd9\xd9\xf7"  # tag 55799 (RFC 8949, section 3.4.6)
_LATER = {21: base64.urlsafe_b64encode, 22: base64.b64encode, 23: base64.b16encode}
_DEEPEST = 200


def encode(value: Any) -> bytes:
    """`value` (JSON values) as one self-described item."""
    import cbor2

    return _SELF_DESCRIBED + cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """The one item in `data` as JSON values. Raises ApiError 400."""
    import cbor2

    try:
        found = cbor2.loads(data.removeprefix(_SELF_DESCRIBED), max_depth=_DEEPEST, allow_duplicate_keys=False)
        return _plain(found)
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise bad_request(f"the body of the request is not valid CBOR: {' '.join(str(error).split())}") from None


def _plain(value: Any) -> Any:
    """A decoded item as JSON values. Raises ValueError."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise ValueError(f"{value} does not fit in 64 bits")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no JSON number")
        return value
    if isinstance(value, Mapping):
        return {_key(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    tag = getattr(value, "tag", None)
    if tag in _LATER and isinstance(value.value, bytes):
        return _LATER[tag](value.value).decode()
    if tag is not None:
        return _plain(value.value)
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    raise ValueError(f"{type(value).__name__} has no form in JSON")


def _key(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode()
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no string")
    return key
