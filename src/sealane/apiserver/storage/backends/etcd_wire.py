"""The few messages of etcd v3 that the store needs, as bytes.

Source: https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/ (etcdserverpb, mvccpb)
"""

from __future__ import annotations

from typing import NamedTuple

from sealane.apiserver.encodings.wire import chunk, fields, integer

KV_RANGE = "/etcdserverpb.KV/Range"
KV_TXN = "/etcdserverpb.KV/Txn"
KV_COMPACT = "/etcdserverpb.KV/Compact"
AUTHENTICATE = "/etcdserverpb.Auth/Authenticate"

_MOD = 2  # Compare.CompareTarget


class KeyValue(NamedTuple):
    key: bytes
    value: bytes
    mod_revision: int


class Range(NamedTuple):
    """Answer to a range request. more: there are further keys."""

    found: list[KeyValue]
    more: bool
    revision: int


class Txn(NamedTuple):
    """Answer to a transaction. found: of the first range among its operations."""

    succeeded: bool
    revision: int
    found: list[KeyValue]


def range_request(key: bytes, end: bytes = b"", limit: int = 0, revision: int = 0) -> bytes:
    """One key, or all from `key` to before `end`; of an earlier revision when one is named."""
    data = chunk(1, key)
    if end:
        data += chunk(2, end)
    if limit:
        data += integer(3, limit)
    if revision:
        data += integer(4, revision)
    return data


def range_response(data: bytes) -> Range:
    found, more, revision = [], False, 0
    for number, value in fields(data):
        if number == 1:
            revision = _revision(value)
        elif number == 2:
            found.append(_key_value(value))
        elif number == 3:
            more = bool(value)
    return Range(found, more, revision)


def unchanged(key: bytes, mod_revision: int) -> bytes:
    """The condition that `key` was last changed in `mod_revision`; 0: that it is not there."""
    return integer(1, 0) + integer(2, _MOD) + chunk(3, key) + integer(6, mod_revision)


def put(key: bytes, value: bytes) -> bytes:
    """An operation of a transaction."""
    return chunk(2, chunk(1, key) + chunk(2, value))


def delete(key: bytes, end: bytes = b"") -> bytes:
    """An operation of a transaction: one key, or all from `key` to before `end`."""
    return chunk(3, chunk(1, key) + (chunk(2, end) if end else b""))


def look(key: bytes) -> bytes:
    """An operation of a transaction."""
    return chunk(1, range_request(key))


def txn_request(conditions: list[bytes], then: list[bytes], otherwise: list[bytes]) -> bytes:
    parts = [chunk(1, each) for each in conditions] + [chunk(2, each) for each in then]
    return b"".join(parts + [chunk(3, each) for each in otherwise])


def txn_response(data: bytes) -> Txn:
    succeeded, revision = False, 0
    found: list[KeyValue] = []
    for number, value in fields(data):
        if number == 1:
            revision = _revision(value)
        elif number == 2:
            succeeded = bool(value)
        elif number == 3 and not found:
            for operation, answer in fields(value):
                if operation == 1:
                    found = range_response(answer).found
    return Txn(succeeded, revision, found)


def compaction_request(revision: int) -> bytes:
    return integer(1, revision)


def authenticate_request(name: str, password: str) -> bytes:
    return chunk(1, name.encode()) + chunk(2, password.encode())


def token_in(data: bytes) -> str:
    """The token in an AuthenticateResponse."""
    return next((value.decode() for number, value in fields(data) if number == 2), "")


def _revision(header: bytes) -> int:
    return next((int(value) for number, value in fields(header) if number == 3), 0)


def _key_value(data: bytes) -> KeyValue:
    parts = dict(fields(data))
    return KeyValue(parts.get(1, b""), parts.get(5, b""), parts.get(3, 0))
