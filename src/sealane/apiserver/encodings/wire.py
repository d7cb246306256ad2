"""Protobuf's wire format, without schemas: numbered fields in, numbered fields out.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: int for varints, bytes for all else. Raises IndexError or ValueError."""
    position, end = 0, len(data)
    while position < end:
        key, position = read_varint(data, position)
        wire = key & 7
        value: Any
        if wire == VARINT:
            value, position = read_varint(data, position)
        elif wire == BYTES:
            size, position = read_varint(data, position)
            if position + size > end:
                raise ValueError("it ends too early")
            value = data[position : position + size]
            position += size
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value = data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {wire}")
        yield key >> 3, value


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and the position after it."""
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def varint(value: int) -> bytes:
    """Negative numbers take ten bytes, as int64 does."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """A field with a varint."""
    return varint(number << 3 | VARINT) + varint(value)


def chunk(number: int, value: bytes) -> bytes:
    """A field with bytes, text or a message."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value
