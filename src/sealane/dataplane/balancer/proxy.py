"""The load balancer that takes connections itself: TLS ends here, and connections to nodes may get PROXY headers.

The proxy holds the addresses of Services whose status says `ipMode: Proxy` (KEP-1860), in *outside*, and connects from
there to node ports, as a cloud's load balancer does. `network.services.listeners` says what each port asks for. PROXY
headers: https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt. X-Forwarded-For, -Proto and -Port: as AWS's
https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/x-forwarded-headers.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from ipaddress import ip_address, ip_network
from itertools import cycle

import msgspec

from sealane.dataplane import relay
from sealane.dataplane.linux.netlink import Netlink, add_local, delete_local
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.linux.topology import LOOPBACK
from sealane.kube.objects import Key
from sealane.network.addresses import API, OUTSIDE, is_internal
from sealane.network.services.listeners import Listener

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds for a node to take a connection."""
LONGEST_HEAD = 65536
WAITING = 1024
"""Connections that may wait for their turn."""
_OUTSIDE = frozenset((*OUTSIDE, *API))
_IPV6_FREEBIND = 78  # linux/in6.h; the socket module does not name it
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"

Peer = tuple[str, int]


class Balancer(msgspec.Struct, frozen=True):
    """The wishes of one Service. ranges: who may connect (CIDRs); empty for everyone. check: the healthCheckNodePort
    that nodes are asked by before they get a connection; 0 when any will do."""

    service: Key
    addresses: tuple[str, ...]
    listeners: tuple[Listener, ...]
    ranges: tuple[str, ...] = ()
    check: int = 0


def proxy_header(version: int, source: Peer, destination: Peer) -> bytes:
    """The PROXY header, which goes before the first byte. version: 1 (text), 2 (binary) or 0 (nothing)."""
    if not version:
        return b""
    own, other = ip_address(source[0]), ip_address(destination[0])
    if version == 1:
        family = "TCP4" if own.version == 4 else "TCP6"
        return f"PROXY {family} {own} {other} {source[1]} {destination[1]}\r\n".encode()
    body = own.packed + other.packed + struct.pack(">HH", source[1], destination[1])
    return _SIGNATURE + bytes([0x21, 0x11 if own.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


def forwarded(head: bytes, source: Peer, port: int, encrypted: bool) -> bytes:
    """The head of a request with the fields that say who came; one request a connection, so none is missed."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    known = [each.partition(b":")[2].strip() for each in fields if each.lower().startswith(b"x-forwarded-for:")]
    ours = (b"x-forwarded-for:", b"x-forwarded-proto:", b"x-forwarded-port:", b"connection:", b"keep-alive:")
    upgrades = any(each.lower().startswith(b"upgrade:") for each in fields)
    kept = [each for each in fields if not each.lower().startswith(ours[: 3 if upgrades else 5])]
    kept += [
        b"X-Forwarded-For: " + b", ".join([*known, source[0].encode()]),
        b"X-Forwarded-Proto: " + (b"https" if encrypted else b"http"),
        b"X-Forwarded-Port: " + str(port).encode(),
    ]
    return b"\r\n".join([line, *kept, *([] if upgrades else [b"Connection: close"])]) + b"\r\n\r\n"


class BalancerProxy:
    """Keeps addresses and listening sockets as `update` is told.

    outside: makes the thread that lives there, when it is needed for the first time. nodes: their addresses, IPv4
    first. certificate: the TLS context for a Service and the name of a Secret; None while there is none.
    """

    def __init__(
        self,
        outside: Callable[[], NamespaceThread],
        nodes: Sequence[Sequence[str]],
        certificate: Callable[[Key, str], ssl.SSLContext | None],
    ) -> None:
        self._make_outside = outside
        self._thread: NamespaceThread | None = None
        self._nodes = nodes
        self._certificate = certificate
        self._held: dict[str, Key] = {}
        self._open: dict[tuple[str, Listener], tuple[Balancer, ssl.SSLContext | None, asyncio.Server]] = {}
        self._turn = cycle(range(len(nodes)))

    @property
    def _outside(self) -> NamespaceThread:
        if self._thread is None:
            self._thread = self._make_outside()
        return self._thread

    async def update(self, balancers: Collection[Balancer]) -> None:
        """From now on exactly these, with the certificates of now. A socket that fails waits for the next update."""
        wanted: dict[tuple[str, Listener], tuple[Balancer, ssl.SSLContext | None]] = {}
        for one in balancers:
            for listener in one.listeners:
                context = self._certificate(one.service, listener.secret) if listener.secret else None
                if context is not None or not listener.secret:
                    wanted |= {(address, listener): (one, context) for address in one.addresses}
        for key in [key for key, (*known, _) in self._open.items() if wanted.get(key) != tuple(known)]:
            self._open.pop(key)[2].close()
        await self._hold({address: one.service for one in balancers for address in one.addresses})
        for (address, listener), (balancer, context) in wanted.items():
            if (address, listener) not in self._open:
                try:
                    server = await self._listen(balancer, address, listener, context)
                except OSError as error:
                    log.warning("load balancer %s:%d: %s", address, listener.port, error)
                    continue
                self._open[address, listener] = balancer, context, server

    async def _hold(self, wanted: Mapping[str, Key]) -> None:
        gone, new = self._held.keys() - wanted.keys(), wanted.keys() - self._held.keys()
        messages = [delete_local(ip_address(each), LOOPBACK) for each in gone]
        messages += [add_local(ip_address(each), LOOPBACK, OUTSIDE[":" in each]) for each in new]
        if messages:

            def apply() -> None:
                with Netlink() as netlink:
                    netlink.apply(messages)

            try:
                await self._outside.run(apply)
            except OSError as error:
                log.warning("addresses of load balancers: %s", error)
        self._held = dict(wanted)

    async def _listen(
        self, balancer: Balancer, address: str, listener: Listener, context: ssl.SSLContext | None
    ) -> asyncio.Server:
        def opened() -> socket.socket:
            made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if ":" in address:  # held by a route, not by a link
                    made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
                made.bind((address, listener.port))
                made.listen(WAITING)
                made.setblocking(False)
            except OSError:
                made.close()
                raise
            return made

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError, ssl.SSLError):
                    await self._serve(balancer, listener, reader, writer)
            finally:
                writer.close()

        return await asyncio.start_server(
            serve, sock=await self._outside.run(opened), ssl=context, limit=LONGEST_HEAD, backlog=WAITING
        )

    async def _serve(
        self, balancer: Balancer, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        source: Peer = writer.get_extra_info("peername")[:2]
        destination: Peer = writer.get_extra_info("sockname")[:2]
        # The namespace that holds an internal address has a way there; no client outside shall have one.
        if not _may(source[0], balancer.ranges) or (is_internal(destination[0]) and ip_address(source[0]) in _OUTSIDE):
            writer.transport.abort()
            return
        head = b""
        if listener.backend in ("http", "https"):
            head = forwarded(await reader.readuntil(b"\r\n\r\n"), source, listener.port, bool(listener.secret))
        far = await self._connect(balancer, listener, ":" in destination[0], source, destination)
        far[1].write(head)
        await relay.couple((reader, writer), far)

    async def _connect(
        self, balancer: Balancer, listener: Listener, six: bool, source: Peer, destination: Peer
    ) -> relay.Stream:
        """To the next node that takes it. Raises OSError when none does."""
        error: OSError = ConnectionRefusedError("no node takes connections")
        for _ in self._nodes:
            address = self._nodes[next(self._turn)][int(six)]
            if balancer.check and not await self._healthy(address, balancer.check):
                continue
            try:
                reader, writer = await relay.dial(self._outside, address, listener.node_port, PATIENCE)
            except OSError as problem:
                error = problem
                continue
            writer.write(proxy_header(listener.proxy, source, destination))
            if listener.backend in ("ssl", "https"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                try:
                    await writer.start_tls(context, server_hostname=address)
                except BaseException:
                    writer.transport.abort()
                    raise
            return reader, writer
        raise error

    async def _healthy(self, address: str, port: int) -> bool:
        """The answer of the node's healthCheckNodePort."""
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await relay.dial(self._outside, address, port, PATIENCE)
            try:
                writer.write(f"GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                line = await asyncio.wait_for(reader.readline(), PATIENCE)
                return line.split()[1:2] == [b"200"]
            finally:
                writer.close()
        return False


def _may(address: str, ranges: Sequence[str]) -> bool:
    own = ip_address(address)
    given = [network for network in map(ip_network, ranges) if network.version == own.version]
    return not given or any(own in network for network in given)
