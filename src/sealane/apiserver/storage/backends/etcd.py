"""Objects in etcd v3, under a prefix of the cluster's own, over gRPC.

One key for each object, and the key `version`, which every transaction compares and writes: so a server that another
one has taken over from cannot write any more. Its value is "VERSION WRITER NUMBER".
Source: https://etcd.io/docs/v3.4/learning/api/
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sealane.apiserver.storage.backends import Address, Change, StorageError, StoreDamaged
from sealane.apiserver.storage.backends import etcd_wire as wire
from sealane.apiserver.storage.backends.location import Location

PAGE = 2000  # keys of one answer while all are loaded
OPERATIONS = 120  # of one transaction: etcd takes 128 (--max-txn-ops)
BYTES = 1 << 20  # of one transaction: etcd takes 1.5 MiB (--max-request-bytes)
CALL_SECONDS = 5.0
PATIENCE_SECONDS = 20.0
COMPACT_SECONDS = 300.0  # as kube-apiserver's --etcd-compaction-interval
COMPACT_WRITES = 20_000
_RETRY = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"})


class EtcdBackend:
    """Used by one thread at a time."""

    largest = 1_500_000  # with what is around it, 1.5 MiB (--max-request-bytes)

    def __init__(self, location: Location, patience: float = PATIENCE_SECONDS) -> None:
        import grpc

        self._grpc = grpc
        self._location = location
        self._patience = patience
        self._channel = _channel(grpc, location)
        self._calls: dict[str, Callable[..., Any]] = {}
        self._token = ""
        self._objects = f"{location.prefix}objects/".encode()
        self._version_key = f"{location.prefix}version".encode()
        self._writer = uuid.uuid4().hex
        self._number = 0
        self._revision = 0  # in which we last wrote the version key
        self._compacted = (time.monotonic(), 0, 0)  # when, at which of our writes, and up to which revision next

    @classmethod
    def connect(cls, url: str, cluster: str) -> EtcdBackend:
        """Raises ValueError for a URL that is wrong, StorageError when its files cannot be read."""
        try:
            return cls(Location.parse(url, cluster))
        except OSError as error:
            raise StorageError(f"--store {url}: {error}") from None

    def load(self) -> tuple[int, Iterator[tuple[Address, bytes]]]:
        """Takes over: an earlier writer cannot write from now on."""
        version, self._revision, _ = self._version()
        self._write([], version)
        return version, self._rows(self._revision)

    def read(self) -> tuple[int, Iterator[tuple[Address, bytes]]]:
        """One state of what is there, while another server goes on writing."""
        version, _, now = self._version()
        return version, self._rows(now)

    def purge(self) -> None:
        """Removes everything under the prefix."""
        start = self._location.prefix.encode()
        self._call(wire.KV_TXN, wire.txn_request([], [wire.delete(start, start[:-1] + b"0")], []))

    def _version(self) -> tuple[int, int, int]:
        """The version of the last commit, etcd's revision of it, and its revision now."""
        answer = wire.range_response(self._call(wire.KV_RANGE, wire.range_request(self._version_key)))
        if not answer.found:
            return 0, 0, answer.revision
        try:
            version = int(answer.found[0].value.split()[0])
        except (ValueError, IndexError):
            raise StoreDamaged(f"{self._location.prefix} in etcd is not a store of Sealane's") from None
        return version, answer.found[0].mod_revision, answer.revision

    def _rows(self, revision: int) -> Iterator[tuple[Address, bytes]]:
        start, end = self._objects, self._objects[:-1] + b"0"  # "0" follows "/"
        more = True
        while more:
            page = wire.range_response(self._call(wire.KV_RANGE, wire.range_request(start, end, PAGE, revision)))
            for each in page.found:
                group, plural, namespace, name = each.key[len(self._objects) :].decode().split("/", 3)
                yield Address((group, plural), namespace, name), each.value
            more = page.more and bool(page.found)
            if more:
                start = page.found[-1].key + b"\0"

    def commit(self, changes: Sequence[Change], version: int) -> None:
        """In several transactions when it is too much for one; each leaves a version that is higher than all of it."""
        operations: list[bytes] = []
        size = 0
        for address, data in changes:
            key = self._objects + "/".join((*address.resource, address.namespace, address.name)).encode()
            operation = wire.delete(key) if data is None else wire.put(key, data)
            if operations and (len(operations) == OPERATIONS or size + len(operation) > BYTES):
                self._write(operations, version)
                operations, size = [], 0
            operations.append(operation)
            size += len(operation)
        self._write(operations, version)
        self._compact()

    def _write(self, operations: list[bytes], version: int) -> None:
        self._number += 1
        value = f"{version} {self._writer} {self._number}".encode()
        while True:
            then = [*operations, wire.put(self._version_key, value)]
            condition = wire.unchanged(self._version_key, self._revision)
            request = wire.txn_request([condition], then, [wire.look(self._version_key)])
            done = wire.txn_response(self._call(wire.KV_TXN, request))
            if done.succeeded:
                self._revision = done.revision
                return
            found = done.found[0] if done.found else None
            if found is None or found.value.split()[1:2] != [self._writer.encode()]:
                raise StorageError(
                    f"{self._location.prefix} in etcd at {self._location.target} was taken over by another server: "
                    "this one cannot write any more"
                )
            self._revision = found.mod_revision
            if found.value == value:  # an earlier try of this call, whose answer was lost
                return

    def _compact(self) -> None:
        """Keeps etcd's own history bounded: the store needs none of it."""
        at, number, revision = self._compacted
        now = time.monotonic()
        if now - at < COMPACT_SECONDS and self._number - number < COMPACT_WRITES:
            return
        self._compacted = (now, self._number, self._revision)
        if revision:
            with suppress(self._grpc.RpcError):  # another client has compacted further
                self._invoke(wire.KV_COMPACT, wire.compaction_request(revision))

    def tidy(self) -> None:
        """Nothing: how much etcd keeps is its own affair."""

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: str, request: bytes) -> bytes:
        """Tries again while etcd cannot be reached. Raises StorageError."""
        deadline = time.monotonic() + self._patience
        pause = 0.02
        while True:
            try:
                return self._invoke(method, request)
            except self._grpc.RpcError as error:
                code, why = error.code().name, error.details()
                if code == "UNAUTHENTICATED" and self._token:
                    self._token = ""
                elif code not in _RETRY or time.monotonic() > deadline:
                    raise StorageError(f"etcd at {self._location.target}: {why}") from None
                time.sleep(pause)
                pause = min(pause * 2, 1.0)

    def _invoke(self, method: str, request: bytes) -> bytes:
        if self._location.user and not self._token and method != wire.AUTHENTICATE:
            self._token = self._authenticated()
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(method)
        metadata = (("token", self._token),) if self._token else None
        answer: bytes = call(request, timeout=CALL_SECONDS, metadata=metadata)
        return answer

    def _authenticated(self) -> str:
        """https://etcd.io/docs/v3.4/op-guide/authentication/"""
        file = self._location.password_file
        try:
            password = Path(file).read_text().strip() if file else ""
        except OSError as error:
            raise StorageError(f"password-file: {error}") from None
        request = wire.authenticate_request(self._location.user, password)
        return wire.token_in(self._invoke(wire.AUTHENTICATE, request))


def _channel(grpc: Any, location: Location) -> Any:
    options = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
    if not location.ca and not location.certificate:
        return grpc.insecure_channel(location.target, options)
    files = [Path(file).read_bytes() if file else None for file in (location.ca, location.key, location.certificate)]
    return grpc.secure_channel(location.target, grpc.ssl_channel_credentials(*files), options)
