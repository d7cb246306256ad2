"""Elements of sets and maps, straight over netlink.

Most changes are a few elements: an endpoint, a pod in a peer's set. libnftables would first list every set and chain of
the namespace; here the work is that of the change. Source: linux/netfilter/nf_tables.h (NFT_MSG_NEWSETELEM), nfnetlink
batches.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_NETFILTER = 12
_INET = 1
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFTABLES = 10
_NEW, _DELETE = _NFTABLES << 8 | 12, _NFTABLES << 8 | 14
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_ERROR = 2
_NESTED = 0x8000
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_VERDICTS = {"drop": 0, "accept": 1, "jump": -3, "goto": -4}
_MOST = 60_000  # bytes of elements in one message: attribute lengths have 16 bits


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a key and of its data, as nftables type names; no data in sets."""

    key: tuple[str, ...]
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ElementChange:
    """container: "TABLE SET". data: None to delete the element; "" to add it to a set."""

    container: str
    element: str
    data: str | None


def layout(body: str) -> Layout | None:
    """The layout of a declaration's body ("type ipv4_addr . mark : verdict;"); None for those not written here, because
    their elements are ranges or come and go by themselves."""
    declared = re.match(r"\s*type ([^:;]+)(?::([^;]+))?;(.*)", body)
    if declared is None or "flags" in declared[3]:
        return None
    return Layout(*(tuple(part.strip() for part in (text or "").split(" . ") if part) for text in declared.group(1, 2)))


def layouts(skeleton: str, table: str) -> dict[str, Layout]:
    """The layouts of all sets and maps that a table's text declares."""
    found = {
        f"{table} {name}": layout(body)
        for name, body in re.findall(r"^(?:set|map) (\S+) {(.*)}$", skeleton, re.MULTILINE)
    }
    return {name: known for name, known in found.items() if known is not None}


def encode(changes: Iterable[ElementChange], known: Mapping[str, Layout]) -> list[bytes]:
    """Messages without their sequence numbers, in order. Raises KeyError for a container with no known layout."""
    messages: list[bytes] = []
    for (container, add), run in _runs(changes):
        shape = known[container]
        table, name = container.split(" ")
        head = _GENERIC.pack(_INET, 0, 0) + _text(1, table) + _text(2, name)
        kind, flags = (_NEW, _REQUEST | _ACK | _CREATE) if add else (_DELETE, _REQUEST | _ACK)
        pending: list[bytes] = []
        size = 0
        for change in run:
            element = _element(change, shape)
            if size + len(element) > _MOST:
                messages.append(_message(kind, flags, head + _attribute(3 | _NESTED, b"".join(pending))))
                pending, size = [], 0
            pending.append(element)
            size += len(element)
        messages.append(_message(kind, flags, head + _attribute(3 | _NESTED, b"".join(pending))))
    return messages


class ElementSocket:
    """A socket in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0

    def apply(self, messages: list[bytes]) -> None:
        """Carries out all of them as one transaction. Raises OSError, and then nothing was done."""
        first = self._sequence + 1
        batch = [_message(_BATCH_BEGIN, _REQUEST, _GENERIC.pack(0, 0, _NFTABLES))]
        for message in messages:
            self._sequence += 1
            batch.append(message[:8] + struct.pack("=I", self._sequence) + message[12:])
        batch.append(_message(_BATCH_END, _REQUEST, _GENERIC.pack(0, 0, _NFTABLES)))
        self._socket.send(b"".join(batch))
        failure = 0
        waiting = len(messages)
        while waiting and not failure:
            for code, sequence in _answers(self._socket.recv(65536)):
                # A batch that could not be looked at at all is answered with the sequence of its beginning.
                if code or sequence >= first:
                    waiting -= 1
                    failure = failure or code
        if failure:
            self._drain()
            raise OSError(failure, os.strerror(failure), "nftables elements")

    def _drain(self) -> None:
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass
        finally:
            self._socket.setblocking(True)

    def close(self) -> None:
        self._socket.close()


def _runs(changes: Iterable[ElementChange]) -> Iterator[tuple[tuple[str, bool], list[ElementChange]]]:
    """Neighbours with the same container and direction, together."""
    run: list[ElementChange] = []
    for change in changes:
        if run and (run[0].container, run[0].data is None) != (change.container, change.data is None):
            yield (run[0].container, run[0].data is not None), run
            run = []
        run.append(change)
    if run:
        yield (run[0].container, run[0].data is not None), run


def _answers(data: bytes) -> Iterator[tuple[int, int]]:
    """(error number or 0, sequence) of each acknowledgement."""
    position = 0
    while position < len(data):
        size, kind, _, sequence, _ = _HEADER.unpack_from(data, position)
        if kind == _ERROR:
            yield -struct.unpack_from("=i", data, position + _HEADER.size)[0], sequence
        position += size + (-size % 4)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _element(change: ElementChange, shape: Layout) -> bytes:
    body = _attribute(1 | _NESTED, _attribute(1, _value(change.element, shape.key)))
    if change.data:
        if shape.data == ("verdict",):
            word, _, chain = change.data.partition(" ")
            verdict = _attribute(1, struct.pack(">i", _VERDICTS[word])) + (_text(2, chain) if chain else b"")
            data = _attribute(2 | _NESTED, verdict)
        else:
            data = _attribute(1, _value(change.data, shape.data))
        body += _attribute(2 | _NESTED, data)
    return _attribute(1 | _NESTED, body)


def _value(text: str, parts: tuple[str, ...]) -> bytes:
    """Each part in whole 32-bit words, as in the kernel's registers."""
    return b"".join(_part(word, kind) for word, kind in zip(text.split(" . "), parts, strict=True))


def _part(word: str, kind: str) -> bytes:
    match kind:
        case "ipv4_addr":
            return socket.inet_aton(word)
        case "ipv6_addr":
            return socket.inet_pton(socket.AF_INET6, word)
        case "inet_service":
            return struct.pack(">Hxx", int(word))
        case "inet_proto":
            return struct.pack("Bxxx", _PROTOCOLS[word])
        case "mark":
            return struct.pack("=I", int(word, 0))
    raise KeyError(kind)
