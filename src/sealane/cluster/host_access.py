"""Mirrors of load-balancer and NodePort addresses on the host's loopback.

Besides the API and the SOCKS proxy, the only way from the host into the cluster that is open without being asked for:
for each TCP port of each LoadBalancer Service (a Gateway's is one), and for the NodePorts of each NodePort Service on
each node, a listening socket on 127.0.0.0/8, whose connections are made anew from the namespace `outside`. Everybody on
this machine may use them, but those of a private cluster: they serve their owner's sockets only. Nothing is added to
the host's own network namespace but listening sockets.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Protocol

from sealane.cluster.state import replace as replace_file
from sealane.dataplane import relay
from sealane.dataplane.linux.peers import is_our_users
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube.objects import Object
from sealane.network.addresses import INTERNAL_LOAD_BALANCERS

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for the cluster to take a connection."""
WAITING = 1024
"""Connections to a mirror that may wait for their turn."""
_NODES = IPv4Network("172.18.1.0/24")


@dataclass(frozen=True, slots=True, order=True)
class Mirror:
    """`address`:`port` of the cluster, reachable on this machine at `host`:`host_port`."""

    namespace: str
    service: str
    address: str
    port: int
    host: str = ""
    host_port: int = 0


def wanted(services: Iterable[Object], nodes: Sequence[str] = ()) -> set[Mirror]:
    """The wanted mirrors: each address and TCP port of each LoadBalancer Service that has one (IPv4), each TCP
    NodePort of each NodePort Service at each of `nodes` (their addresses)."""
    found = set()
    for service in services:
        if service.spec.get("type") == "NodePort":
            found |= {
                Mirror(service.namespace, service.name, node, port["nodePort"])
                for port in service.spec.get("ports") or ()
                if port.get("protocol", "TCP") == "TCP" and port.get("nodePort")
                for node in nodes
            }
            continue
        if service.spec.get("type") != "LoadBalancer":
            continue
        for ingress in (service.status.get("loadBalancer") or {}).get("ingress") or ():
            address = ingress.get("ip", "")
            if not address or ip_address(address).version != 4 or ip_address(address) in INTERNAL_LOAD_BALANCERS[0]:
                continue
            for port in service.spec.get("ports") or ():
                if port.get("protocol", "TCP") == "TCP":
                    found.add(Mirror(service.namespace, service.name, address, port["port"]))
    return found


def is_proxied(service: Object) -> bool:
    """Does the load balancer of a Service take connections itself (ipMode Proxy)?"""
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    return any(each.get("ipMode") == "Proxy" for each in ingress)


def loopback(cluster: str, address: str) -> str:
    """The loopback address for a load balancer 172.18.255.N of `cluster`: 127.18.X.N, with X from the cluster's name;
    for node N: 127.19.X.N."""
    last = address.rpartition(".")[2]
    block = 19 if ip_address(address) in _NODES else 18
    return f"127.{block}.{zlib.crc32(cluster.encode()) % 254 + 1}.{last}"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on `host` at `port`; where refused, 8000 higher (below 1024 needs root), or anywhere."""
    for candidate in (port, port + 8000 if port < 1024 else 0, 0):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(WAITING)
            sock.setblocking(False)
            return sock
        except OSError:
            sock.close()
    raise OSError(f"no free port on {host}")


class Sockets(Protocol):
    """Who keeps listening sockets, by name, for the process that comes after this one: `supervisor.Channel`."""

    def listening(self, name: str, make: Callable[[], socket.socket]) -> socket.socket: ...
    def close(self, name: str) -> None: ...


class Mirrors:
    """Keeps listening sockets equal to what is wanted and writes them down in mirrors.json."""

    def __init__(
        self, cluster: str, outside: NamespaceThread, path: Path, sockets: Sockets, *, private: bool = False
    ) -> None:
        self._private = private
        self._cluster = cluster
        self._outside = outside
        self._path = path
        self._sockets = sockets
        self._open: dict[Mirror, tuple[Mirror, asyncio.Server]] = {}

    async def restore(self) -> None:
        """Opens again, in the same places, what mirrors.json says: that of a process before, which was killed."""
        for made in read(self._path):
            mirror = replace(made, host="", host_port=0)
            try:
                await self._serve(mirror, self._listening(mirror, made.host, made.host_port))
            except OSError as error:
                log.warning("%s:%d is not mirrored yet: %s", mirror.address, mirror.port, error)

    async def update(self, wanted_now: set[Mirror]) -> None:
        for mirror in set(self._open) - wanted_now:
            self._open.pop(mirror)[1].close()
            self._sockets.close(_name(mirror))
        for mirror in sorted(wanted_now - set(self._open)):
            try:
                sock = self._listening(mirror, loopback(self._cluster, mirror.address), mirror.port)
            except OSError as error:
                log.warning("%s:%d is not mirrored: %s", mirror.address, mirror.port, error)
                continue
            await self._serve(mirror, sock)
        replace_file(
            self._path, json.dumps([asdict(made) for made, _ in sorted(self._open.values(), key=lambda e: e[0])])
        )

    def _listening(self, mirror: Mirror, host: str, port: int) -> socket.socket:
        return self._sockets.listening(_name(mirror), lambda: bind(host, port))

    async def _serve(self, mirror: Mirror, sock: socket.socket) -> None:
        host, host_port = sock.getsockname()
        made = replace(mirror, host=host, host_port=host_port)
        server = await asyncio.start_server(partial(self._carry, made), sock=sock, backlog=WAITING)
        self._open[mirror] = (made, server)

    async def _carry(self, mirror: Mirror, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, which is refused as the address itself does it: by a reset."""
        if self._private and not is_our_users("tcp", writer.get_extra_info("peername")):
            writer.transport.abort()
            return
        try:
            far = await relay.dial(self._outside, mirror.address, mirror.port, PATIENCE)
        except OSError as error:
            log.info("%s:%d: %s", mirror.address, mirror.port, error or "no answer")
            writer.transport.abort()
            return
        await relay.couple((reader, writer), far)


def _name(mirror: Mirror) -> str:
    return f"{mirror.namespace}/{mirror.service} {mirror.address}:{mirror.port}"


def read(path: Path) -> list[Mirror]:
    """The present mirrors; nothing while the cluster starts."""
    try:
        return [Mirror(**each) for each in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError):
        return []
