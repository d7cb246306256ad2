"""Elements of sets and maps as netlink messages: one message holds as many elements of one set as fit into it.

Most changes are a few elements: an endpoint, a pod in a peer's set. libnftables would first list every set and chain of
the namespace; here the work is that of the change. And many elements at once are written column by column, which is
several times faster than text that libnftables parses again. Source: linux/netfilter/nf_tables.h (NFT_MSG_NEWSETELEM).
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_network
from itertools import repeat

import msgspec

from sealane.dataplane.linux.netlink import attribute, text
from sealane.dataplane.nft.batch import DELETE_ELEMENTS, GENERIC, INET, NESTED, NEW_ELEMENTS, message

_MOST = 60_000
"""Bytes of elements in one message: attribute lengths have 16 bits."""
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_VERDICTS = {"drop": 0, "accept": 1, "jump": -3, "goto": -4}


class Layout(msgspec.Struct, frozen=True):
    """The parts of a key and of its data, as nftables type names; no data in sets. ranges: parts may be prefixes."""

    key: tuple[str, ...]
    data: tuple[str, ...]
    ranges: bool = False


def layout(body: str) -> Layout | None:
    """The layout of a declaration's body ("type ipv4_addr . mark : verdict;"); None for sets of single ranges and for
    those whose elements come and go by themselves, which are not written here."""
    declared = re.match(r"\s*type ([^:;]+)(?::([^;]+))?;(.*)", body)
    if declared is None:
        return None
    key, data = (tuple(part.strip() for part in (text or "").split(" . ") if part) for text in declared.group(1, 2))
    flags = re.search(r"flags ([^;]+);", declared[3])
    if flags is None:
        return Layout(key, data)
    return Layout(key, data, ranges=True) if flags[1] == "interval" and len(key) > 1 else None


def layouts(skeleton: str, table: str) -> dict[str, Layout]:
    """The layouts of all sets and maps that a table's text declares."""
    found = {
        f"{table} {name}": layout(body)
        for name, body in re.findall(r"^(?:set|map) (\S+) {(.*)}$", skeleton, re.MULTILINE)
    }
    return {name: known for name, known in found.items() if known is not None}


def encode(
    removed: Iterable[str], added: Mapping[str, str], known: Mapping[str, Layout], generation: str = ""
) -> list[bytes]:
    """Messages that remove elements, then add others; names and data as in `ledger.Facts`.

    generation: what is added to the names of tables. Raises KeyError for a set with no known layout.
    """
    return [
        *_messages(DELETE_ELEMENTS, dict.fromkeys(removed, ""), known, generation),
        *_messages(NEW_ELEMENTS, added, known, generation),
    ]


def _messages(kind: int, changes: Mapping[str, str], known: Mapping[str, Layout], generation: str) -> Iterator[bytes]:
    words: dict[str, _Words] = {}
    for (table, name), (elements, data) in _by_container(changes).items():
        shape = known[f"{table} {name}"]
        head = GENERIC.pack(INET, 0, 0) + text(1, table + generation) + text(2, name)
        encoded = _encoded(elements, data if kind == NEW_ELEMENTS else (), shape, words)
        count = _MOST // max(map(len, encoded))
        for start in range(0, len(encoded), count):
            listed = attribute(3 | NESTED, b"".join(encoded[start : start + count]))
            yield message(kind, head + listed, create=kind == NEW_ELEMENTS)


def _by_container(changes: Mapping[str, str]) -> dict[tuple[str, str], tuple[list[str], list[str]]]:
    """For each (table, set): its elements, and their data."""
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for full, data in changes.items():
        table, name, element = full.split(" ", 2)
        group = found.get((table, name))
        if group is None:
            group = found[table, name] = ([], [])
        group[0].append(element)
        group[1].append(data)
    return found


def _encoded(elements: Sequence[str], data: Sequence[str], shape: Layout, words: dict[str, _Words]) -> list[bytes]:
    """Each element as an attribute. Every part takes whole 32-bit words, as in the kernel's registers."""
    key = _columns(elements, shape.key, words, ranges=shape.ranges)
    size = sum(len(column[0]) for column in key)
    parts: list[Iterable[bytes]] = [repeat(_opening(1, size)), *key]
    total = 8 + size
    if shape.ranges:
        parts += [repeat(_opening(10, size)), *_columns(elements, shape.key, words, ranges=True, last=True)]
        total += 8 + size
    if not data or not shape.data:
        heads: Iterable[bytes] = repeat(_nested(1, total))
    elif shape.data == ("verdict",):
        (verdicts,) = _columns(data, shape.data, words)
        parts.append(verdicts)
        heads = [_nested(1, total + len(verdict)) for verdict in verdicts]
    else:
        columns = _columns(data, shape.data, words)
        size = sum(len(column[0]) for column in columns)
        parts += [repeat(_opening(2, size)), *columns]
        heads = repeat(_nested(1, total + 8 + size))
    return list(map(b"".join, zip(heads, *parts, strict=False)))


def _nested(kind: int, size: int) -> bytes:
    """The head of an attribute with `size` bytes of attributes in it."""
    return struct.pack("=HH", 4 + size, kind | NESTED)


def _opening(kind: int, size: int) -> bytes:
    """The heads of a key or of data that holds a value of `size` bytes."""
    return struct.pack("=HHHH", 8 + size, kind | NESTED, 4 + size, 1)


def _columns(
    texts: Sequence[str], kinds: tuple[str, ...], words: dict[str, _Words], *, ranges: bool = False, last: bool = False
) -> list[list[bytes]]:
    """The first parts of all texts, then the second ones, and so on.

    ranges: addresses are prefixes; their first or `last` address.
    """
    flat = " . ".join(texts).split(" . ")
    if len(flat) != len(texts) * len(kinds):
        raise ValueError(f"not all elements have {len(kinds)} parts, like {texts[0]}")
    found = []
    for place, kind in enumerate(kinds):
        name = f"{'last' if last else 'first'} {kind}" if ranges and kind in _ADDRESSES else kind
        if name not in words:
            words[name] = _Words(_PARTS[name])
        found.append(list(map(words[name].__getitem__, flat[place :: len(kinds)])))
    return found


class _Words(dict[str, bytes]):
    """The encoding of each word of one type, made once: the same addresses and ports come again and again."""

    def __init__(self, part: Callable[[str], bytes]) -> None:
        self._part = part

    def __missing__(self, word: str) -> bytes:
        made = self[word] = self._part(word)
        return made


def _verdict(text_: str) -> bytes:
    word, _, chain = text_.partition(" ")
    return attribute(
        2 | NESTED,
        attribute(2 | NESTED, attribute(1, struct.pack(">i", _VERDICTS[word])) + (text(2, chain) if chain else b"")),
    )


def _first_address(prefix: str) -> bytes:
    return ip_network(prefix).network_address.packed


def _last_address(prefix: str) -> bytes:
    return ip_network(prefix).broadcast_address.packed


_ADDRESSES = ("ipv4_addr", "ipv6_addr")
_PARTS: dict[str, Callable[[str], bytes]] = {
    "ipv4_addr": socket.inet_aton,
    "ipv6_addr": partial(socket.inet_pton, socket.AF_INET6),
    **{f"first {kind}": _first_address for kind in _ADDRESSES},
    **{f"last {kind}": _last_address for kind in _ADDRESSES},
    "inet_service": lambda word: struct.pack(">Hxx", int(word)),
    "inet_proto": lambda word: struct.pack("Bxxx", _PROTOCOLS[word]),
    "mark": lambda word: struct.pack("=I", int(word, 0)),
    "verdict": _verdict,
}
