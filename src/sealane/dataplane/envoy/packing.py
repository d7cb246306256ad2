"""Messages inside others."""

from __future__ import annotations

from google.protobuf import any_pb2, message


def pack(value: message.Message) -> any_pb2.Any:
    """`value` as google.protobuf.Any, with map entries in one order, so that equal values are equal bytes."""
    return any_pb2.Any(
        type_url=f"type.googleapis.com/{value.DESCRIPTOR.full_name}", value=value.SerializeToString(deterministic=True)
    )
