"""Answers in Kubernetes' protobuf encoding, for clients that accept nothing else: kinds of Kubernetes itself only.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl and
k8s.io/apimachinery/pkg/runtime/serializer/{protobuf,streaming} (watches: frames with their length before them)
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterable
from typing import Any

import msgspec

from sealane.apiserver.encodings.protobuf import MAGIC, table
from sealane.apiserver.encodings.wire import chunk, integer, varint
from sealane.kube.objects import Raw
from sealane.kube.times import seconds

_SECONDS = re.compile(r"([0-9.]+)(h|ms|m|us|µs|ns|s)")
_UNITS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}


def speaks(api_version: str, kind: str) -> bool:
    """Whether objects (or lists) of this kind can be written so."""
    return _type_of(api_version, kind) is not None or kind == "Status"  # which is written field by field


def _type_of(api_version: str, kind: str) -> str | None:
    return table().kinds.get(f"{api_version} {kind}")


def encode(raw: Raw) -> bytes:
    """An object, a list of objects, or a Status. The kind has to be one of which `speaks` says so."""
    api_version, kind = raw["apiVersion"], raw["kind"]
    meta = chunk(1, api_version.encode()) + chunk(2, kind.encode())
    return MAGIC + chunk(1, meta) + chunk(2, _body(api_version, kind, raw)) + chunk(3, b"") + chunk(4, b"")


def _body(api_version: str, kind: str, raw: Raw) -> bytes:
    if kind == "Status":
        return _status(raw)
    type_ = _type_of(api_version, kind)
    if type_ is not None:
        return _message(type_, raw)
    type_ = _type_of(api_version, kind.removesuffix("List"))
    assert type_ is not None
    items = b"".join(chunk(2, _message(type_, each)) for each in raw["items"])
    return chunk(1, _list_meta(raw["metadata"])) + items


def event(found: Raw) -> bytes:
    """One frame of a watch: its length, then a WatchEvent whose object is encoded by itself."""
    body = chunk(1, found["type"].encode()) + chunk(2, chunk(1, encode(found["object"])))
    return struct.pack(">I", len(body)) + body


def _list_meta(raw: Raw) -> bytes:
    data = chunk(2, str(raw.get("resourceVersion", "")).encode()) + chunk(3, str(raw.get("continue", "")).encode())
    remaining = raw.get("remainingItemCount")
    return data if remaining is None else data + integer(4, remaining)


def _status(raw: Raw) -> bytes:
    details = raw.get("details") or {}
    inner = b"".join(
        chunk(number, str(details.get(key, "")).encode()) for number, key in enumerate(("name", "group", "kind"), 1)
    )
    for cause in details.get("causes") or ():
        parts = (str(cause.get(key, "")).encode() for key in ("reason", "message", "field"))
        inner += chunk(4, b"".join(chunk(number, part) for number, part in enumerate(parts, 1)))
    inner += integer(5, int(details.get("retryAfterSeconds") or 0)) + chunk(6, str(details.get("uid", "")).encode())
    texts = b"".join(
        chunk(number, str(raw.get(key, "")).encode()) for number, key in ((2, "status"), (3, "message"), (4, "reason"))
    )
    return (
        chunk(1, _list_meta(raw.get("metadata") or {}))
        + texts
        + chunk(5, inner)
        + integer(6, int(raw.get("code") or 0))
    )


def _message(type_: str, raw: Any) -> bytes:
    if not isinstance(raw, dict):
        return b""
    parts: list[bytes] = []
    for number, (name, expression, flags) in table().types[type_].items():
        if "<" in flags:
            inner = _message(expression, raw)
            if inner:
                parts.append(chunk(number, inner))
            continue
        value = raw.get(name)
        if value is not None:
            parts.extend(_field(number, expression, value))
    return b"".join(parts)


def _field(number: int, expression: str, value: Any) -> Iterable[bytes]:
    if expression.startswith("[]"):
        return [_one(number, expression[2:], each) for each in value]
    if expression.startswith("{}"):
        return [
            chunk(number, chunk(1, key.encode()) + _one(2, expression[2:], each)) for key, each in sorted(value.items())
        ]
    return [_one(number, expression, value)]


def _one(number: int, expression: str, value: Any) -> bytes:
    match expression:
        case "string":
            return chunk(number, str(value).encode())
        case "int" | "bool":
            return integer(number, int(value))
        case "double":
            return varint(number << 3 | 1) + struct.pack("<d", value)
        case "bytes":
            try:
                return chunk(number, base64.b64decode(value))
            except (binascii.Error, ValueError):
                return b""
        case "time" | "micro-time":
            return chunk(number, _time(value))
        case "quantity":
            return chunk(number, chunk(1, str(value).encode()))
        case "int-or-string":
            text = isinstance(value, str)
            inner = integer(1, int(text)) + integer(2, 0 if text else value) + chunk(3, value.encode() if text else b"")
            return chunk(number, inner)
        case "duration":
            total = sum(float(amount) * _UNITS[unit] for amount, unit in _SECONDS.findall(str(value)))
            return chunk(number, integer(1, int(total)))
        case "raw" | "fields":
            return chunk(number, chunk(1, msgspec.json.encode(value)))
        case _:
            return chunk(number, _message(expression, value))


def _time(text: Any) -> bytes:
    try:
        whole, micro = divmod(round(seconds(text) * 1e6), 1_000_000)
    except (ValueError, TypeError):
        return b""
    return integer(1, whole) + integer(2, micro * 1000)
