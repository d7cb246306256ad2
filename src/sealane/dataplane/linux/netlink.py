"""rtnetlink messages (RFC 3549, linux/rtnetlink.h) in batches: one send and one wait for many changes.

Only what the topology needs. A pod costs three batches this way, a third of a millisecond; objects and dumps of a
general netlink library cost more than the kernel's own work.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import msgspec

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

_NEWLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE, _NEWNEIGH = 16, 20, 21, 24, 25, 28
_REQUEST, _ACK, _REPLACE, _CREATE, _EXCL = 0x1, 0x4, 0x100, 0x400, 0x200
_ERROR = 2
_UP = 0x1
_NODAD = 0x02
_ONLINK = 0x4
_PERMANENT = 0x80
_UNIVERSE, _LINK, _HOST = 0, 253, 254
_UNICAST, _LOCAL, _UNREACHABLE = 1, 2, 7
_MAIN, _LOCAL_TABLE, _STATIC = 254, 255, 4
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_NDMSG = struct.Struct("=BxxxiHBB")
_HEADER = struct.Struct("=IHHII")


def attribute(kind: int, value: bytes) -> bytes:
    """struct nlattr (netlink(7)), padded."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def _family(address: IPAddress | IPNetwork) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def _mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


class Message(msgspec.Struct, frozen=True):
    """One request: rtnetlink type, extra flags, body; `what` is said when the kernel refuses it."""

    type: int
    flags: int
    body: bytes
    what: str


def link_up(index: int) -> Message:
    return Message(_NEWLINK, 0, _IFINFO.pack(0, 0, index, _UP, _UP), f"set link {index} up")


def link_into(index: int, bridge: int) -> Message:
    """Makes a link a port of `bridge`, both by index."""
    return Message(
        _NEWLINK, 0, _IFINFO.pack(0, 0, index, _UP, _UP) + _number(10, bridge), f"add link {index} to a bridge"
    )


def add_bridge(name: str) -> Message:
    kind = attribute(18, text(1, "bridge"))
    return Message(
        _NEWLINK, _CREATE | _EXCL, _IFINFO.pack(0, 0, 0, _UP, _UP) + text(3, name) + kind, f"create bridge {name}"
    )


def add_veth(name: str, mac: str, peer: str, peer_mac: str, peer_namespace: int, mtu: int = 1500) -> Message:
    """A pair: `name` here, up; `peer`, still down, in the network namespace of that open descriptor."""
    other = (
        _IFINFO.pack(0, 0, 0, 0, 0)
        + text(3, peer)
        + attribute(1, _mac(peer_mac))
        + _number(4, mtu)
        + _number(28, peer_namespace)
    )
    info = text(1, "veth") + attribute(2, attribute(1, other))
    body = (
        _IFINFO.pack(0, 0, 0, _UP, _UP)
        + text(3, name)
        + attribute(1, _mac(mac))
        + _number(4, mtu)
        + attribute(18, info)
    )
    return Message(_NEWLINK, _CREATE | _EXCL, body, f"create veth {name}")


def add_address(index: int, address: IPAddress, length: int, *, link_scope: bool = False) -> Message:
    """IPv6 addresses are usable at once: no duplicate address detection."""
    flags = _NODAD if address.version == 6 else 0
    scope = _LINK if link_scope else _UNIVERSE
    body = (
        _IFADDR.pack(_family(address), length, flags, scope, index)
        + attribute(1, address.packed)
        + attribute(2, address.packed)
    )
    return Message(_NEWADDR, _CREATE | _REPLACE, body, f"add address {address}/{length}")


def delete_address(index: int, address: IPAddress, length: int) -> Message:
    body = _IFADDR.pack(_family(address), length, 0, _UNIVERSE, index) + attribute(2, address.packed)
    return Message(_DELADDR, 0, body, f"delete address {address}/{length}")


def add_neighbour(index: int, address: IPAddress, mac: str) -> Message:
    """A permanent one: no ARP or neighbour discovery, and not counted against the kernel's table limit."""
    body = (
        _NDMSG.pack(_family(address), index, _PERMANENT, 0, 0) + attribute(1, address.packed) + attribute(2, _mac(mac))
    )
    return Message(_NEWNEIGH, _CREATE | _REPLACE, body, f"add neighbour {address}")


def add_route(
    to: IPNetwork,
    *,
    link: int = 0,
    via: IPAddress | None = None,
    hops: Sequence[IPAddress] = (),
    source: IPAddress | None = None,
) -> Message:
    """One route of the main table, replaced when there.

    link and no via: the range is on that link. via: next hop (taken as reachable on `link` when one is given).
    hops: several next hops of equal weight. None of them: unreachable.
    """
    scope, kind, flags = _UNIVERSE, _UNICAST, 0
    rest = b""
    if to.prefixlen:
        rest += attribute(1, to.network_address.packed)
    if hops:
        size = 8 + 4 + len(hops[0].packed)
        rest += attribute(9, b"".join(struct.pack("=HBBi", size, 0, 0, 0) + attribute(5, hop.packed) for hop in hops))
    elif via is not None:
        rest += attribute(5, via.packed)
        if link:
            rest += _number(4, link)
            flags = _ONLINK
    elif link:
        rest += _number(4, link)
        scope = _LINK if to.version == 4 else _UNIVERSE
    else:
        kind = _UNREACHABLE
        if to.version == 6:
            rest += _number(6, 2048)  # metric: a route through a link for the same range goes first
    if source is not None:
        rest += attribute(7, source.packed)
    body = _RTMSG.pack(_family(to), to.prefixlen, 0, 0, _MAIN, _STATIC, scope, kind, flags) + rest
    return Message(_NEWROUTE, _CREATE | _REPLACE, body, f"add route to {to}")


def _local(address: IPAddress, link: int, source: IPAddress | None) -> bytes:
    scope = _HOST if address.version == 4 else _UNIVERSE
    body = _RTMSG.pack(_family(address), address.max_prefixlen, 0, 0, _LOCAL_TABLE, _STATIC, scope, _LOCAL, 0)
    body += attribute(1, address.packed) + _number(4, link)
    return body + (attribute(7, source.packed) if source is not None else b"")


def add_local(address: IPAddress, link: int, source: IPAddress) -> Message:
    """Makes an address this namespace's own without giving it to a link; what goes there from here comes from
    `source`."""
    return Message(_NEWROUTE, _CREATE | _REPLACE, _local(address, link, source), f"hold address {address}")


def delete_local(address: IPAddress, link: int) -> Message:
    return Message(_DELROUTE, 0, _local(address, link, None), f"let go of address {address}")


def delete_route(to: IPNetwork) -> Message:
    """The route of the main table to exactly this range."""
    body = _RTMSG.pack(_family(to), to.prefixlen, 0, 0, _MAIN, 0, 255, 0, 0) + attribute(1, to.network_address.packed)
    return Message(_DELROUTE, 0, body, f"delete route to {to}")


class Netlink:
    """A socket in the network namespace of the thread that makes it; usable from any thread afterwards."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def apply(self, messages: Sequence[Message]) -> None:
        """Carries all of them out, in order. Raises OSError for the first that failed (the later ones were still
        tried).
        """
        first = self._sequence + 1
        batch = bytearray()
        for message in messages:
            self._sequence += 1
            size = _HEADER.size + len(message.body)
            batch += _HEADER.pack(size, message.type, _REQUEST | _ACK | message.flags, self._sequence, 0)
            batch += message.body
        self._socket.send(batch)
        failure: OSError | None = None
        waiting = len(messages)
        while waiting:
            data = self._socket.recv(65536)
            position = 0
            while position < len(data):
                size, kind, _, sequence, _ = _HEADER.unpack_from(data, position)
                if kind == _ERROR and sequence >= first:
                    waiting -= 1
                    code = -struct.unpack_from("=i", data, position + _HEADER.size)[0]
                    if code and failure is None:
                        failure = OSError(code, os.strerror(code), messages[sequence - first].what)
                position += size + (-size % 4)
        if failure is not None:
            raise failure

    def close(self) -> None:
        self._socket.close()
