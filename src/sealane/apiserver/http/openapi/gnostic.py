"""The OpenAPI 2 document in protobuf, for clients written in Go: what it says of schemas, without paths.

Source: https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sealane.apiserver.encodings.wire import FIXED64, chunk, integer, varint
from sealane.kube.objects import Raw


def encode(document: Raw) -> bytes:
    definitions = b"".join(chunk(1, _named(name, _schema(each))) for name, each in document["definitions"].items())
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    return _text(1, "2.0") + chunk(2, info) + chunk(8, b"") + chunk(9, definitions)


def _schema(found: Raw) -> bytes:
    made = []
    for key, value in found.items():
        write = _FIELDS.get(key)
        if write is not None:
            made.append(write(value))
        elif key.startswith("x-"):
            made.append(chunk(31, _text(1, key) + chunk(2, _any(value))))
    return b"".join(made)


def _any(value: Any) -> bytes:
    return _text(2, msgspec.json.encode(value).decode() + "\n")  # JSON is YAML


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + chunk(2, value)


def _text(number: int, value: str) -> bytes:
    return chunk(number, value.encode())


def _number(number: int) -> Callable[[Any], bytes]:
    return lambda value: integer(number, int(value))


def _double(number: int) -> Callable[[Any], bytes]:
    return lambda value: varint(number << 3 | FIXED64) + struct.pack("<d", value)


def _more(value: Any) -> bytes:
    inner = _number(2)(value) if isinstance(value, bool) else chunk(1, _schema(value))
    return chunk(21, inner)


_FIELDS: Mapping[str, Callable[[Any], bytes]] = {
    "$ref": lambda value: _text(1, value),
    "format": lambda value: _text(2, value),
    "title": lambda value: _text(3, value),
    "description": lambda value: _text(4, value),
    "default": lambda value: chunk(5, _any(value)),
    "multipleOf": _double(6),
    "maximum": _double(7),
    "exclusiveMaximum": _number(8),
    "minimum": _double(9),
    "exclusiveMinimum": _number(10),
    "maxLength": _number(11),
    "minLength": _number(12),
    "pattern": lambda value: _text(13, value),
    "maxItems": _number(14),
    "minItems": _number(15),
    "maxProperties": _number(17),
    "minProperties": _number(18),
    "required": lambda value: b"".join(_text(19, each) for each in value),
    "enum": lambda value: b"".join(chunk(20, _any(each)) for each in value),
    "additionalProperties": _more,
    "type": lambda value: chunk(22, _text(1, value)),
    "items": lambda value: chunk(23, chunk(1, _schema(value))),
    "allOf": lambda value: b"".join(chunk(24, _schema(each)) for each in value),
    "properties": lambda value: chunk(
        25, b"".join(chunk(1, _named(name, _schema(each))) for name, each in value.items())
    ),
}
