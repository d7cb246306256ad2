"""Bodies in Kubernetes' protobuf encoding, which kubectl's generators and other clients written in Go send.

Only reading: the server answers in JSON, which those clients accept (`protobuf_answers` serves clients that do not).
protobuf.json says which number is which field
(tools/protobuf.py makes it).
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl and
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import base64
import struct
import time
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from sealane.apiserver.encodings.wire import fields, read_varint, signed
from sealane.apiserver.errors import bad_request
from sealane.kube.objects import Raw

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"


class _Table(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    types: dict[str, dict[int, tuple[str, str, str]]]


@cache
def table() -> _Table:
    return msgspec.json.decode((files("sealane.apiserver.encodings") / "protobuf.json").read_bytes(), type=_Table)


def decode(data: bytes) -> Raw:
    """The object in `data` as JSON values. Raises ApiError 400."""
    if not data.startswith(MAGIC):
        raise bad_request("the body of the request is not in Kubernetes' protobuf encoding")
    try:
        unknown = dict(fields(data[len(MAGIC) :]))
        names = {number: value.decode() for number, value in fields(unknown.get(1, b""))}
        api_version, kind = names.get(1, ""), names.get(2, "")
        # Options are sent in the version of the group that they are for.
        found = table().kinds.get(f"{api_version} {kind}") or table().kinds.get(f"meta.k8s.io/v1 {kind}")
        if found is None:
            raise bad_request(f"{api_version} {kind} cannot be read from protobuf: send it as application/json")
        return {"apiVersion": api_version, "kind": kind, **_message(found, unknown.get(2, b""))}
    except (IndexError, ValueError, struct.error, AttributeError, TypeError, KeyError) as error:
        raise bad_request(f"the body of the request is not valid protobuf: {error}") from None


def _message(type_: str, data: bytes) -> Raw:
    """As Go would write it in JSON: a zero is left out where the field is no pointer and says omitempty."""
    facts = table().types[type_]
    result: Raw = {}
    for number, wire in fields(data):
        fact = facts.get(number)
        if fact is None:
            continue
        name, expression, flags = fact
        if expression.startswith("[]"):
            element = expression[2:]
            packed = element in ("int", "bool") and isinstance(wire, bytes)
            values = _packed(wire) if packed else [wire]
            result.setdefault(name, []).extend(_value(element, value) for value in values)
            continue
        if expression.startswith("{}"):
            entry = dict(fields(wire))
            element = expression[2:]
            value = entry.get(2, 0 if element in ("int", "bool") else b"")
            result.setdefault(name, {})[entry.get(1, b"").decode()] = _value(element, value)
            continue
        value = _value(expression, wire)
        if "<" in flags:
            result |= value
        elif value is None:
            continue
        elif value or "*" in flags or ("?" not in flags and value != {}):
            result[name] = value
    return result


def _packed(data: bytes) -> list[int]:
    found, position = [], 0
    while position < len(data):
        value, position = read_varint(data, position)
        found.append(value)
    return found


def _value(expression: str, wire: Any) -> Any:
    match expression:
        case "string":
            return wire.decode()
        case "int":
            return signed(wire)
        case "bool":
            return bool(wire)
        case "double":
            return struct.unpack("<d", wire)[0]
        case "bytes":
            return base64.b64encode(wire).decode()
        case "time" | "micro-time":
            return _time(dict(fields(wire)), expression == "micro-time")
        case "quantity":
            return dict(fields(wire)).get(1, b"").decode()
        case "int-or-string":
            parts = dict(fields(wire))
            return parts.get(3, b"").decode() if parts.get(1) else signed(parts.get(2, 0))
        case "duration":
            return f"{signed(dict(fields(wire)).get(1, 0)) / 1e9:g}s"
        case "raw" | "fields":
            return msgspec.json.decode(dict(fields(wire)).get(1) or b"null")
        case _:
            return _message(expression, wire)


def _time(parts: dict[int, Any], micro: bool) -> str | None:
    """A zero time stands for none."""
    if not parts:
        return None
    seconds = signed(parts.get(1, 0))
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{parts.get(2, 0) // 1000:06d}Z" if micro else f"{text}Z"
