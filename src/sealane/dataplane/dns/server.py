"""Answers DNS on sockets that others made, over UDP and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.journal import Journal
from sealane.dataplane.dns.metrics import Metrics, Tally
from sealane.dataplane.dns.plugins.step import covers
from sealane.dataplane.dns.resolving import outward, resolve, transfer
from sealane.dataplane.dns.route import Route
from sealane.dataplane.dns.table import Prepared
from sealane.dataplane.dns.upstream import truncate
from sealane.network.names import Answer

log = logging.getLogger(__name__)

BURST = 64
"""Packets taken from one socket before others get their turn."""
LARGEST_QUERY = 2048
MAX_WAITING = 10_000
"""Questions that wait for servers upstream at one time; more are refused."""
MAX_CONNECTIONS = 1000
IDLE_SECONDS = 10
LAME_SECONDS = 10.0
"""How long questions under way may still use a configuration that was replaced."""
RECEIVE_BYTES = 4 << 20
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; Python has no name for it


class Server:
    """One answering server. `serve` takes sockets at any time; all runs in one event loop and nothing in it blocks.

    label: its name in metrics. metrics, journal: get what is counted and said.
    """

    def __init__(
        self,
        *routes: Route,
        label: str = "dns://:53",
        metrics: Metrics | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._label = label
        self._metrics = metrics or Metrics()
        self._journal = journal or Journal()
        self._routes: list[Route] = []
        self._tallies: dict[socket.socket, Tally] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.configure(routes)

    @property
    def routes(self) -> Sequence[Route]:
        """The routes, longest zones first."""
        return self._routes

    def serve(self, sockets: Iterable[socket.socket]) -> None:
        """UDP and listening TCP sockets, bound and not blocking. They stay the caller's, to close after `release`."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            if sock.type == socket.SOCK_DGRAM:
                _widen(sock)
                tally = self._tallies[sock] = self._metrics.tally(self._label, sock.family == socket.AF_INET6)
                loop.add_reader(sock, self._packets, sock, tally)
            else:
                loop.add_reader(sock, self._accept, sock)

    def release(self, sockets: Iterable[socket.socket]) -> None:
        """Reads no more from `sockets`."""
        for sock in sockets:
            asyncio.get_running_loop().remove_reader(sock)
            if sock in self._tallies:
                self._metrics.retire(self._tallies.pop(sock))

    async def close(self) -> None:
        """Ends what is under way."""
        self.release(list(self._tallies))
        tasks = [*self._waiting, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for route in self._routes:
            route.close()

    def configure(self, routes: Sequence[Route]) -> None:
        """Answers by `routes` from now on; the one with the longest zone that fits a name has it. They become ours."""
        old = self._routes
        self._routes = sorted(routes, key=lambda route: -len(route.zone))
        self._table = next((route.table for route in self._routes if route.table is not None), None)
        # Logged questions are looked at one by one, so none goes out unseen.
        self._logged = any(route.logs for route in self._routes)
        seen = self._table is not None and not self._logged
        packets: dict[bytes, Prepared] = self._table.packets if self._table is not None and seen else {}
        self._prepared: Callable[[bytes], Prepared | None] = packets.get
        for route in old:
            route.close(LAME_SECONDS)

    # UDP

    def _packets(self, sock: socket.socket, tally: Tally) -> None:
        receive, send, prepared, counts = sock.recvfrom, sock.sendto, self._prepared, tally.counts
        started = time.perf_counter()
        for _ in range(BURST):
            try:
                packet, peer = receive(LARGEST_QUERY)
                found = prepared(packet[2:])
                if found is not None:
                    answer, kind = found
                    send(packet[:2] + answer(), peer)
                    counts[kind] += 1
                    continue
            except BlockingIOError:  # Nothing more to read, or no room to write: then the answer is lost, as UDP may.
                break
            except OSError as error:  # A client that has gone; a firewall that refuses.
                log.debug("udp: %s", error)
                continue
            self._packet(sock, packet, peer, tally)
        tally.seconds += time.perf_counter() - started

    def _packet(self, sock: socket.socket, packet: bytes, peer: tuple[str, int], tally: Tally) -> None:
        """The answer to a packet that has not been seen before, or is to be looked at."""
        started = time.perf_counter()
        try:
            query = wire.parse(packet, wire.Client(peer[0], peer[1], "udp", len(packet)))
        except wire.Malformed as error:
            if error.rcode is not None:
                _send(sock, wire.refuse(packet, error.rcode), peer)
            return
        route = self._route(query.name)
        if route is not None and not query.refusal and route.table is not None and route.direct(query):
            answer = route.lookup(query)
            if not outward(query, answer):
                response = self._ready(packet, query, answer, route, tally)
                _send(sock, response, peer)
                if self._logged:
                    self._say(route, query, response, time.perf_counter() - started)
                return
        if len(self._waiting) < MAX_WAITING:
            task = asyncio.create_task(self._answer_later(sock, query, peer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            _send(sock, wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False)), peer)

    def _ready(self, packet: bytes, query: wire.Query, answer: Answer, route: Route, tally: Tally) -> bytes:
        """The answer of the cluster's names, counted."""
        table = route.table
        assert table is not None
        kind = functools.partial(self._metrics.kinds.number, route.label)
        if table is self._table:
            found = table.packets.get(packet[2:]) if self._logged else None
            if found is not None:
                response, number = packet[:2] + found[0](), found[1]
            else:
                response, number = table.prepare(packet, query, answer, kind)
        else:
            response = wire.respond(query, table.sections(query, answer), query.limit, turn=table.turn(packet[1]))
            number = kind(query, response)
        tally.counts[number] += 1
        return response

    async def _answer_later(self, sock: socket.socket, query: wire.Query, peer: object) -> None:
        _send(sock, truncate(await self._resolve(query), query), peer)

    # TCP (RFC 7766: answers may overtake one another only between connections here)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, peer = listener.accept()
        except OSError:
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        task = asyncio.create_task(self._connection(connection, peer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            while True:
                header = await asyncio.wait_for(reader.readexactly(2), IDLE_SECONDS)
                packet = await asyncio.wait_for(reader.readexactly(struct.unpack("!H", header)[0]), IDLE_SECONDS)
                answers = await self._answers(packet, peer)
                if not answers:
                    return
                for answer in answers:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await asyncio.wait_for(writer.drain(), IDLE_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answers(self, packet: bytes, peer: tuple[str, int]) -> Sequence[bytes]:
        """The answer over TCP, of any length; several for the transfer of a zone; none for what deserves none."""
        try:
            query = wire.parse(packet, wire.Client(peer[0], peer[1], "tcp", len(packet)))
        except wire.Malformed as error:
            return () if error.rcode is None else (wire.refuse(packet, error.rcode),)
        route = self._route(query.name)
        if route is not None and query.type in wire.TRANSFERS and not query.refusal:
            started = time.perf_counter()
            found = transfer(route, query, packet)
            if found is not None:
                self._note(route, query, found[-1], time.perf_counter() - started)
                return found
        return (wire.within_tcp(query, await self._resolve(query)),)

    # Questions that no prepared packet answers

    def _route(self, name: str) -> Route | None:
        for route in self._routes:
            if covers(route.zone, name):
                return route
        return None

    async def _resolve(self, query: wire.Query) -> bytes:
        """The whole answer to `query`, of any length. An error in it costs one answer, not the server."""
        started = time.perf_counter()
        route = self._route(query.name)
        if route is None:
            response = wire.respond(query, wire.Sections(wire.REFUSED, authoritative=False))
            self._metrics.answered(self._label, "dropped", query, response, time.perf_counter() - started)
            return response
        try:
            response = await resolve(route, query, self.answer, self._journal)
        except Exception:
            log.exception("%s %s", query.name, query.type_name)
            self._metrics.add("coredns_panics_total")
            response = wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False))
        self._note(route, query, response, time.perf_counter() - started)
        return response

    async def answer(self, query: wire.Query) -> bytes:
        """The whole answer to a question of our own, such as where an alias leads: neither counted nor logged."""
        route = self._route(query.name)
        if route is None:
            return wire.respond(query, wire.Sections(wire.REFUSED, authoritative=False))
        return await resolve(route, query, self.answer, self._journal)

    def _note(self, route: Route, query: wire.Query, response: bytes, seconds: float) -> None:
        self._metrics.answered(self._label, route.label, query, response, seconds)
        self._say(route, query, response, seconds)

    def _say(self, route: Route, query: wire.Query, response: bytes, seconds: float) -> None:
        for rule in route.logs:
            if rule.wants(query, response):
                self._journal.add(f"[INFO] {rule.line(query, response, seconds)}")
                return


def label(address: str, port: int) -> str:
    """The name in metrics of the server that listens there; `address` is "" for all."""
    host = f"[{address}]" if address and _is_ipv6(address) else address
    return f"dns://{host}:{port}"


def _is_ipv6(address: str) -> bool:
    try:
        return ip_address(address).version == 6
    except ValueError:
        return False


def _widen(sock: socket.socket) -> None:
    """Room for the questions that come while others are answered: the system's default holds some 270."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
    except OSError:  # Not root: as much as the system lets everyone have.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


def _send(sock: socket.socket, answer: bytes, peer: object) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(answer, peer)  # type: ignore[call-overload]
