"""Answers DNS on sockets that others made, over UDP and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Sequence

import dns.exception
import dns.message

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.plugins.step import covers
from sealane.dataplane.dns.route import Route
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Unreachable, truncate
from sealane.network.names import Answer, Record
from sealane.network.names.zone import NOT_OURS

log = logging.getLogger(__name__)

BURST = 64
"""Packets taken from one socket before others get their turn."""
LARGEST_QUERY = 2048
MAX_WAITING = 10_000
"""Questions that wait for servers upstream at one time; more are refused."""
MAX_CONNECTIONS = 1000
IDLE_SECONDS = 10
MAX_CHAIN = 8
LAME_SECONDS = 10.0
"""How long questions under way may still use a configuration that was replaced."""
RECEIVE_BYTES = 4 << 20
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; Python has no name for it


class Server:
    """One answering server. `serve` takes sockets at any time; all runs in one event loop and nothing in it blocks."""

    def __init__(self, *routes: Route) -> None:
        self._routes: list[Route] = []
        self._prepared: Table | None = None
        self._packets_of: dict[bytes, Callable[[], bytes]] = {}
        self.configure(routes)
        self._waiting: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()

    def serve(self, sockets: Iterable[socket.socket]) -> None:
        """UDP and listening TCP sockets, bound and not blocking. They stay the caller's, to close after `release`."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            if sock.type == socket.SOCK_DGRAM:
                _widen(sock)
            loop.add_reader(sock, self._packets if sock.type == socket.SOCK_DGRAM else self._accept, sock)

    def release(self, sockets: Iterable[socket.socket]) -> None:
        """Reads no more from `sockets`."""
        for sock in sockets:
            asyncio.get_running_loop().remove_reader(sock)

    async def close(self) -> None:
        """Ends what is under way."""
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
        self._prepared = next((route.table for route in self._routes if route.table is not None), None)
        self._packets_of = self._prepared.packets if self._prepared is not None else {}
        for route in old:
            route.close(LAME_SECONDS)

    # UDP

    def _packets(self, sock: socket.socket) -> None:
        receive, send, prepared = sock.recvfrom, sock.sendto, self._packets_of.get
        for _ in range(BURST):
            try:
                packet, peer = receive(LARGEST_QUERY)
                answer = prepared(packet[2:])
                if answer is not None:
                    send(packet[:2] + answer(), peer)
                    continue
            except BlockingIOError:  # Nothing more to read, or no room to write: then the answer is lost, as UDP may.
                return
            except OSError as error:  # A client that has gone; a firewall that refuses.
                log.debug("udp: %s", error)
                continue
            self._packet(sock, packet, peer)

    def _packet(self, sock: socket.socket, packet: bytes, peer: object) -> None:
        """The answer to a packet that has not been seen before."""
        try:
            query = wire.parse(packet)
        except wire.Malformed as error:
            if error.rcode is not None:
                _send(sock, wire.refuse(packet, error.rcode), peer)
            return
        if query.refusal:
            _send(sock, wire.respond(query, wire.Sections(query.refusal, authoritative=False)), peer)
            return
        route = self._route(query.name)
        if route is not None and route.direct(query):
            answer = route.lookup(query)
            if not _outward(query, answer):
                _send(sock, self._ready(packet, query, answer, route), peer)
                return
        if len(self._waiting) < MAX_WAITING:
            task = asyncio.create_task(self._answer_later(sock, query, peer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            _send(sock, wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False)), peer)

    def _ready(self, packet: bytes, query: wire.Query, answer: Answer, route: Route) -> bytes:
        assert route.table is not None
        if route.table is self._prepared:
            return route.table.prepare(packet, query, answer)
        return wire.respond(query, route.table.sections(query, answer), query.limit, turn=packet[1])

    async def _answer_later(self, sock: socket.socket, query: wire.Query, peer: object) -> None:
        _send(sock, truncate(await self._resolve(query), query), peer)

    # TCP (RFC 7766: answers may overtake one another only between connections here)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if len(self._connections) >= MAX_CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        task = asyncio.create_task(self._connection(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            while True:
                header = await asyncio.wait_for(reader.readexactly(2), IDLE_SECONDS)
                packet = await asyncio.wait_for(reader.readexactly(struct.unpack("!H", header)[0]), IDLE_SECONDS)
                answer = await self._answer(packet)
                if answer is None:
                    return
                writer.write(struct.pack("!H", len(answer)) + answer)
                await asyncio.wait_for(writer.drain(), IDLE_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, packet: bytes) -> bytes | None:
        """The answer over TCP, of any length; None for what deserves none."""
        try:
            query = wire.parse(packet)
        except wire.Malformed as error:
            return None if error.rcode is None else wire.refuse(packet, error.rcode)
        if query.refusal:
            return wire.respond(query, wire.Sections(query.refusal, authoritative=False))
        return await self._resolve(query)

    # Questions that no prepared packet answers

    def _route(self, name: str) -> Route | None:
        return next((route for route in self._routes if covers(route.zone, name)), None)

    async def _resolve(self, query: wire.Query) -> bytes:
        """The whole answer to `query`, of any length."""
        route = self._route(query.name)
        if route is None:
            return wire.respond(query, wire.Sections(wire.REFUSED, authoritative=False))
        try:
            return await self._through(route, query, 0)
        except dns.exception.DNSException as error:
            log.warning("%s: %s", query.name, error)
            return wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False))

    async def _through(self, route: Route, query: wire.Query, start: int) -> bytes:
        concerned = next((at for at in range(start, len(route.steps)) if route.steps[at].concerns(query)), None)
        if concerned is not None:
            return await route.steps[concerned].answer(query, lambda asked: self._through(route, asked, concerned + 1))
        answer = route.lookup(query)
        try:
            if answer.outcome == "not ours":
                return await route.upstream(query.name).ask(query)
            assert route.table is not None
            if not _outward(query, answer):
                return wire.respond(query, route.table.sections(query, answer), turn=query.id[1])
            sections = await self._follow(query, answer, route)
        except Unreachable as error:
            log.warning("%s: %s", query.name, error)
            rcode = wire.REFUSED if error.refused else wire.SERVFAIL
            return wire.respond(query, wire.Sections(rcode, authoritative=False))
        return wire.respond(query, sections)

    async def _follow(self, query: wire.Query, answer: Answer, route: Route) -> wire.Sections:
        """An ExternalName: its CNAME record and what the name it points to answers (2.5)."""
        chain: list[Record] = []
        encoded: list[bytes] = []
        rcode = wire.NOERROR
        assert route.table is not None
        while answer.outcome == "answer" and len(chain) < MAX_CHAIN:
            chain += answer.records
            encoded += route.table.encode(answer.records, query.name)
            if answer.records[0].type != "CNAME":
                break
            target = answer.records[0].data.rstrip(".")
            question = wire.name_bytes(target) + query.question[-4:]
            asked = wire.Query(b"\0\0", query.flags, target, query.type, question, wire.OWN_SIZE, False, False)
            answer = route.lookup(asked) if route.direct(asked) else NOT_OURS
            if answer.outcome == "not ours":
                try:
                    message = dns.message.from_wire(await self._outward_of(route, asked), ignore_trailing=True)
                except (Unreachable, dns.exception.DNSException) as error:
                    # The CNAME is known, its target is not: that is what the client should see.
                    log.warning("%s: %s", target, error)
                    return wire.Sections(wire.SERVFAIL, tuple(encoded))
                rcode = int(message.rcode())
                for rrset in message.answer:
                    encoded += wire.rrset_records(rrset)
            elif answer.outcome == "no such name":
                rcode = wire.NXDOMAIN
        return wire.Sections(rcode, tuple(encoded))

    async def _outward_of(self, route: Route, query: wire.Query) -> bytes:
        """An alias may point into any zone that is answered here. Raises Unreachable."""
        if not route.direct(query) or self._route(query.name) is not route:
            return await self._resolve(query)
        return await route.upstream(query.name).ask(query)


def _outward(query: wire.Query, answer: Answer) -> bool:
    """Whether the answer needs more than the zone: a name of others, or an alias that has to be followed."""
    if answer.outcome == "not ours":
        return True
    alias = answer.outcome == "answer" and answer.records[0].type == "CNAME"
    return alias and query.type not in (wire.TYPES["CNAME"], wire.TYPES["ANY"])


def _widen(sock: socket.socket) -> None:
    """Room for the questions that come while others are answered: the system's default holds some 270."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
    except OSError:  # Not root: as much as the system lets everyone have.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


def _send(sock: socket.socket, answer: bytes, peer: object) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(answer, peer)  # type: ignore[call-overload]
