"""Bytes of objects: JSON, CBOR, protobuf. No rules of objects."""
