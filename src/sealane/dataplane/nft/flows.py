"""UDP flows that outlive what they were translated for, forgotten straight over netlink.

The kernel keeps the translation of a flow for as long as packets come; UDP has no end, so a client would go on sending
to an endpoint that is gone. The rule is kube-proxy's (pkg/proxy/conntrack/cleanup.go since 1.32): a flow to a Service's
address is stale unless the endpoint it was given still serves. Work follows the change: only flows to addresses whose
endpoints changed are asked for. Source: linux/netfilter/nfnetlink_conntrack.h (CTA_FILTER).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from sealane.dataplane.linux.netlink import attribute
from sealane.dataplane.nft.batch import attributes
from sealane.network.services import Family, ServiceModel

Endpoint = tuple[str, int]


class Target(NamedTuple):
    """The target of flows: an address and UDP port of a Service; address "" for a NodePort."""

    family: Family
    address: str
    port: int


Serving = Mapping[Target, frozenset[Endpoint]]
"""For each target the endpoints whose flows stay; the empty set for one that is no more."""

MANY = 16
"""From so many targets on, all UDP flows are asked for once instead of those of each target."""


def serving(service: ServiceModel | None) -> dict[Target, frozenset[Endpoint]]:
    """The UDP targets of a Service. An endpoint that still serves while it terminates keeps its flows."""
    found: dict[Target, frozenset[Endpoint]] = {}
    for port in service.ports if service is not None else ():
        if port.protocol != "UDP":
            continue
        for frontend in port.frontends:
            endpoints = ((each.address, each.port) for each in port.of_family(frontend.family) if each.serving)
            found[Target(frontend.family, frontend.address, frontend.port)] = frozenset(endpoints)
    return found


def outdated(before: Serving, after: Serving) -> set[Target]:
    """Targets that may have stale flows: they lost an endpoint or have their first one, they came or went."""
    return {
        target
        for target in before.keys() | after.keys()
        if (old := before.get(target, frozenset())) - (now := after.get(target, frozenset()))
        or (not old and now)
        or target not in after
    }


class Flow(msgspec.Struct, frozen=True):
    """One entry of the kernel's table. given: the endpoint that answers it. handle: its key in a deletion.

    client: address and port of the client; None where that is translated too. source: the address of the client.
    """

    family: Family
    address: str
    port: int
    given: Endpoint
    handle: bytes
    client: Endpoint | None = None
    source: str = ""


def stale(flow: Flow, targets: Serving, local: Collection[str], *, complete: bool = False) -> bool:
    """local: the node's addresses. complete: `targets` holds all there are, so what went elsewhere is stale."""
    translated = flow.given != (flow.address, flow.port)
    endpoints = targets.get(Target(flow.family, flow.address, flow.port))
    if endpoints is None and (translated or flow.address in local):
        endpoints = targets.get(Target(flow.family, "", flow.port))
    if endpoints is None:
        return complete and translated
    return flow.given not in endpoints


class FlowSocket:
    """A socket in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
        self._socket.bind((0, 0))
        self._sequence = 0

    def forget(
        self,
        targets: Serving,
        local: Collection[str],
        *,
        complete: bool = False,
        moving: Callable[[Sequence[Flow]], None] = lambda flows: None,
    ) -> int:
        """Deletes the stale flows to `targets`; how many. Raises OSError when the kernel refuses.

        moving: is told of them before.
        """
        if complete or len(targets) >= MANY:
            found = [*self.flows(Target(4, "", 0)), *self.flows(Target(6, "", 0))]
        else:
            found = [flow for target in targets for flow in self.flows(target)]
        old = {flow.handle: flow for flow in found if stale(flow, targets, local, complete=complete)}
        if old:
            moving(list(old.values()))
        for flow in old.values():
            self._ask(_DELETE, _REQUEST | _ACK, flow.family, flow.handle, lambda _family, _body: None)
        return len(old)

    def forget_ends(self, addresses: Collection[str]) -> None:
        """Deletes the flows that come from these addresses or go there. Raises OSError when the kernel refuses."""
        families: set[Family] = {6 if ":" in address else 4 for address in addresses}
        for flow in [flow for family in families for flow in self.flows(Target(family, "", 0))]:
            if not {flow.source, flow.address, flow.given[0]}.isdisjoint(addresses):
                self._ask(_DELETE, _REQUEST | _ACK, flow.family, flow.handle, lambda _family, _body: None)

    def flows(self, target: Target) -> list[Flow]:
        """UDP flows to `target`; port 0: to any. The kernel sends no others (before Linux 5.8: all of the family)."""
        found: list[Flow] = []

        def collect(family: int, body: bytes) -> None:
            flow = _flow(4 if family == socket.AF_INET else 6, body)
            if (
                flow is not None
                and target.port in (0, flow.port)
                and target.address in ("", flow.address)
                and flow.family == target.family
            ):
                found.append(flow)

        self._ask(_GET, _REQUEST | _DUMP, target.family, _filter(target), collect)
        return found

    def _ask(self, kind: int, flags: int, family: Family, body: bytes, collect: Callable[[int, bytes], None]) -> None:
        """Sends one request and waits for its end. A flow that has just ended by itself (ENOENT) is no error."""
        self._sequence += 1
        body = _GENERIC.pack(_AF[family], 0, 0) + body
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
        while True:
            data = self._socket.recv(1 << 18)
            position = 0
            while position < len(data):
                size, kind, _, sequence, _ = _HEADER.unpack_from(data, position)
                start = position + _HEADER.size
                position += size + (-size % 4)
                if sequence != self._sequence:
                    continue
                if kind in (_ERROR, _DONE):
                    code = -struct.unpack_from("=i", data, start)[0] if kind == _ERROR else 0
                    if code not in (0, errno.ENOENT):
                        raise OSError(code, os.strerror(code), "UDP flows")
                    return
                collect(data[start], data[start + _GENERIC.size : start - _HEADER.size + size])

    def close(self) -> None:
        self._socket.close()


_NETFILTER = 12
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_UDP = 17
_ORIGINAL, _REPLY, _ID, _ZONE, _FILTER = 1, 2, 12, 18, 25
_BY_ADDRESS, _BY_PROTOCOL, _BY_PORT = 1 << 1, 1 << 3, 1 << 5
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct(">BBH")
_AF: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}


def _filter(target: Target) -> bytes:
    """A tuple and which parts of it count. Not IPv6 addresses: there kernels send the flows to every other address."""
    parts = _BY_PROTOCOL
    protocol = attribute(1, bytes([_UDP]))
    address = b""
    if target.port:
        parts |= _BY_PORT
        protocol += attribute(3, struct.pack(">H", target.port))
    if target.address and target.family == 4:
        parts |= _BY_ADDRESS
        address = attribute(2, socket.inet_aton(target.address))
    wanted = attribute(1 | _NESTED, address) + attribute(2 | _NESTED, protocol)
    return attribute(_ORIGINAL | _NESTED, wanted) + attribute(
        _FILTER | _NESTED, attribute(1, struct.pack("=I", parts)) + attribute(2, struct.pack("=I", 0))
    )


def _flow(family: Family, body: bytes) -> Flow | None:
    """None for what is not UDP."""
    entry = attributes(body)
    original, reply = attributes(entry[_ORIGINAL]), attributes(entry[_REPLY])
    protocol, answer = attributes(original[2]), attributes(reply[2])
    if protocol[1][0] != _UDP:
        return None
    source, destination = (1, 2) if family == 4 else (3, 4)

    def end(addresses: bytes, address: int, ports: Mapping[int, bytes], port: int) -> Endpoint:
        return socket.inet_ntop(_AF[family], attributes(addresses)[address]), struct.unpack(">H", ports[port])[0]

    asks, told = end(original[1], source, protocol, 2), end(reply[1], destination, answer, 3)
    handle = attribute(_ORIGINAL | _NESTED, entry[_ORIGINAL]) + attribute(_ID, entry[_ID])
    if _ZONE in entry:
        handle += attribute(_ZONE, entry[_ZONE])
    return Flow(
        family,
        *end(original[1], destination, protocol, 3),
        end(reply[1], source, answer, 2),
        handle,
        asks if asks == told else None,
        asks[0],
    )
