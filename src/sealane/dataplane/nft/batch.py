"""nf_tables over netlink without libnftables: transactions of messages that are ready, and whole tables.

Sources: linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h (batches), netlink(7) (the size of what is sent).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

from sealane.dataplane.linux.netlink import attribute, text

HEADER = struct.Struct("=IHHII")
GENERIC = struct.Struct(">BBH")
INET = 1
NESTED = 0x8000
NEW_ELEMENTS, DELETE_ELEMENTS = 10 << 8 | 12, 10 << 8 | 14

_NETFILTER = 12
_NFTABLES = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _GET_TABLE, _DELETE_TABLE = 10 << 8 | 0, 10 << 8 | 1, 10 << 8 | 2
_REQUEST, _ACK, _DUMP, _CREATE = 0x1, 0x4, 0x300, 0x400
_ERROR, _DONE = 2, 3
_DORMANT = 1
_SO_SNDBUFFORCE = 32
_WANTED = 64 << 20
_OVERHEAD = 32 + 2 * (HEADER.size + GENERIC.size)
"""What the kernel keeps of the send buffer, and the two ends of a batch."""
_PART = 2 << 20
"""Bytes of one transaction where several are allowed: the kernel copies each into one piece of memory."""


class TooLarge(Exception):
    """The commands of one transaction do not fit into one. Nothing of it was done."""


def message(kind: int, body: bytes, *, create: bool = False) -> bytes:
    """Without its sequence number."""
    return HEADER.pack(HEADER.size + len(body), kind, _REQUEST | (_CREATE if create else 0), 0, 0) + body


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    position = 0
    while position + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, position)
        found[kind & 0x3FFF] = data[position + 4 : position + size]
        position += size + (-size % 4)
    return found


def wake(table: str) -> bytes:
    """The message that puts a dormant table (nft(8), "flags dormant") to work."""
    return message(_NEW_TABLE, GENERIC.pack(INET, 0, 0) + text(1, table) + attribute(2, struct.pack(">I", 0)))


def delete(table: str) -> bytes:
    return message(_DELETE_TABLE, GENERIC.pack(INET, 0, 0) + text(1, table))


class BatchSocket:
    """A socket in the network namespace of the thread that makes it.

    most: bytes of messages that fit into one transaction. Without root it is what net.core.wmem_max allows.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._socket.bind((0, 0))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _WANTED)
        except OSError:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WANTED)
        self.most = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _OVERHEAD
        self._sequence = 0

    def apply(self, messages: Sequence[bytes]) -> None:
        """Carries out all of them as one transaction. Raises TooLarge, or OSError, and then nothing was done."""
        if sum(map(len, messages)) > self.most:
            raise TooLarge
        begin = self._next()
        parts = [HEADER.pack(HEADER.size + GENERIC.size, _BATCH_BEGIN, _REQUEST, begin, 0), _ENDS]
        for one in messages:
            size, kind, flags, _, _ = HEADER.unpack_from(one)
            # An error is always reported; only the last message says when there was none.
            flags |= _ACK if one is messages[-1] else 0
            parts += (HEADER.pack(size, kind, flags, self._next(), 0), one[HEADER.size :])
        last = self._sequence
        parts += (HEADER.pack(HEADER.size + GENERIC.size, _BATCH_END, _REQUEST, self._next(), 0), _ENDS)
        self._socket.send(b"".join(parts))
        failure = 0
        for kind, sequence, body in self._answers():
            if kind == _ERROR and sequence >= begin:
                failure = failure or -struct.unpack_from("=i", body)[0]
                # A batch that could not be looked at at all is answered with the sequence of its beginning.
                if sequence in (begin, last):
                    break
        if failure:
            self._drain()
            raise OSError(failure, os.strerror(failure), "nftables")

    def fill(self, messages: Sequence[bytes]) -> None:
        """Carries them out in order, in as many transactions as it takes. Raises OSError; earlier parts stand."""
        most, size = min(self.most, _PART), 0
        part: list[bytes] = []
        for one in messages:
            if part and size + len(one) > most:
                self.apply(part)
                part, size = [], 0
            part.append(one)
            size += len(one)
        if part:
            self.apply(part)

    def tables(self) -> dict[str, bool]:
        """The tables of family inet here; True for those at work, False for dormant ones. Raises OSError."""
        number = self._next()
        body = GENERIC.pack(INET, 0, 0)
        self._socket.send(HEADER.pack(HEADER.size + len(body), _GET_TABLE, _REQUEST | _DUMP, number, 0) + body)
        found: dict[str, bool] = {}
        for kind, sequence, body in self._answers():
            if sequence != number:
                continue
            if kind in (_ERROR, _DONE):
                code = -struct.unpack_from("=i", body)[0]
                if code > 0:
                    raise OSError(code, os.strerror(code), "nftables")
                break
            entry = attributes(body[GENERIC.size :])
            found[entry[1].rstrip(b"\0").decode()] = not struct.unpack(">I", entry[2])[0] & _DORMANT
        return found

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        """(type, sequence, body) of what comes, for as long as it is asked for."""
        while True:
            data = self._socket.recv(1 << 18)
            position = 0
            while position < len(data):
                size, kind, _, sequence, _ = HEADER.unpack_from(data, position)
                yield kind, sequence, data[position + HEADER.size : position + size]
                position += size + (-size % 4)

    def _drain(self) -> None:
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(1 << 18):
                pass
        self._socket.setblocking(True)

    def close(self) -> None:
        self._socket.close()


_ENDS = GENERIC.pack(0, 0, _NFTABLES)
