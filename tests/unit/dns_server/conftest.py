"""A running server on loopback, with a cluster's names, and a server upstream of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dns.message
import dns.rrset
import pytest

from sealane.dataplane.dns.memory import Memory
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.cache import Cache
from sealane.dataplane.dns.route import Route
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Upstream, here
from sealane.kube.objects import Object
from sealane.network.names import Record, Zone, ZoneData, records_of_namespace
from sealane.network.names.records import zone_apex

WEB = "web.shop.svc.cluster.local"
PEERS = "peers.shop.svc.cluster.local"
EXTERNAL = "pay.shop.svc.cluster.local"
ALIAS = "alias.shop.svc.cluster.local"
SRV = f"_http._tcp.{WEB}"

DATA = [
    zone_apex(["10.96.0.10"]),
    records_of_namespace(Object({"kind": "Namespace", "metadata": {"name": "shop"}})),
    ZoneData((Record(WEB, "A", "10.96.0.20"), Record(SRV, "SRV", f"0 100 80 {WEB}."))),
    ZoneData(tuple(Record(PEERS, "A", f"10.244.1.{host}") for host in range(1, 101))),
    ZoneData((Record(EXTERNAL, "CNAME", "api.example.com."),)),
    ZoneData((Record(ALIAS, "CNAME", f"{WEB}."),)),
]


def one_port() -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP with one port, which no other process has in either."""
    for _ in range(100):
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            return udp, tcp
    raise OSError("no port is free for UDP and TCP")


class UpstreamServer(threading.Thread):
    """A server with a few names of its own that counts what it is asked. Over UDP it truncates "big.example.com"."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.asked: list[str] = []
        self.udp, self.tcp = one_port()
        self.address = self.tcp.getsockname()
        self.over_tcp = threading.Thread(target=self._serve_tcp, daemon=True)

    def run(self) -> None:
        self.over_tcp.start()
        while True:
            packet, peer = self.udp.recvfrom(4096)
            if not packet:
                return
            response = self._answer(packet)
            if "big." in self.asked[-1]:
                response.answer.clear()
                response.flags |= dns.flags.TC
            if "silent." not in self.asked[-1]:
                self.udp.sendto(response.to_wire(), peer)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self.tcp.accept()
            with connection:
                size = connection.recv(2)
                if not size:
                    return
                wire = self._answer(connection.recv(int.from_bytes(size, "big"))).to_wire(max_size=65535)
                connection.sendall(len(wire).to_bytes(2, "big") + wire)

    def _answer(self, packet: bytes) -> dns.message.Message:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = str(question.name).lower()
        self.asked.append(name)
        response = dns.message.make_response(query)
        if name == "api.example.com.":
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "edge.example.net."))
            response.answer.append(dns.rrset.from_text("edge.example.net.", 20, "IN", "A", "192.0.2.80"))
        elif name == "big.example.com.":
            texts = [f"192.0.2.{host}" for host in range(1, 101)]
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", *texts))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
            soa = "ns.example.com. h.example.com. 1 7200 900 1209600 10"
            response.authority.append(dns.rrset.from_text("example.com.", 3600, "IN", "SOA", soa))
        return response

    def stop(self) -> None:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", self.address)
        socket.create_connection(self.address).close()
        self.join(5)
        self.over_tcp.join(5)
        self.udp.close()
        self.tcp.close()


@dataclass
class Running:
    """A server in a loop of its own. call: runs a function in that loop."""

    address: tuple[str, int]
    table: Table
    upstream: UpstreamServer
    call: Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def upstream_server() -> Iterator[UpstreamServer]:
    server = UpstreamServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def running(upstream_server: UpstreamServer) -> Iterator[Running]:
    yield from run_server(upstream_server, [upstream_server.address])


@pytest.fixture(scope="module")
def alone(upstream_server: UpstreamServer) -> Iterator[Running]:
    """A server that knows none upstream."""
    yield from run_server(upstream_server, [])


def run_server(upstream: UpstreamServer, servers: list[tuple[str, int]]) -> Iterator[Running]:
    udp, tcp = one_port()
    udp.setblocking(False)
    tcp.setblocking(False)
    table = Table(Zone.of(DATA))
    loop = asyncio.new_event_loop()

    async def start() -> Server:
        metrics = Metrics()
        memory = Memory(Cache(), metrics, ("dns://:53", ".", ""))
        upstream_ = Upstream([(address, here) for address in servers], metrics=metrics)
        server = Server(Route("", table, upstreams=((None, upstream_),), memory=memory), metrics=metrics)
        server.serve([udp, tcp])
        return server

    async def run(function: Callable[[], object]) -> None:
        function()

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield Running(
        udp.getsockname(),
        table,
        upstream,
        lambda function: asyncio.run_coroutine_threadsafe(run(function), loop).result(5),
    )
    loop.call_soon_threadsafe(server.release, [udp, tcp])
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()
    udp.close()
    tcp.close()
