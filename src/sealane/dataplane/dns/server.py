"""Answers DNS on sockets that others made, over UDP and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Iterable

import dns.message
import dns.name

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Unreachable, Upstream, truncate
from sealane.network.names import Answer, Record

log = logging.getLogger(__name__)

BURST = 64
"""Packets taken from one socket before others get their turn."""
LARGEST_QUERY = 2048
MAX_WAITING = 10_000
"""Questions that wait for servers upstream at one time; more are refused."""
MAX_CONNECTIONS = 1000
IDLE_SECONDS = 10
MAX_CHAIN = 8
RECEIVE_BYTES = 4 << 20
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; Python has no name for it


class Server:
    """One answering server. `serve` takes sockets at any time; all runs in one event loop and nothing in it blocks."""

    def __init__(self, table: Table, upstream: Upstream) -> None:
        self._table = table
        self._upstream = upstream
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
        self._upstream.close()

    # UDP

    def _packets(self, sock: socket.socket) -> None:
        receive, send, prepared = sock.recvfrom, sock.sendto, self._table.packets.get
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
        answer = self._table.lookup(query)
        if not _outward(query, answer):
            _send(sock, self._table.prepare(packet, query, answer), peer)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.create_task(self._answer_later(sock, query, answer, peer))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            _send(sock, wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False)), peer)

    async def _answer_later(self, sock: socket.socket, query: wire.Query, answer: Answer, peer: object) -> None:
        _send(sock, truncate(await self._outside(query, answer), query), peer)

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
        answer = self._table.lookup(query)
        if _outward(query, answer):
            return await self._outside(query, answer)
        return wire.respond(query, self._table.sections(query, answer), turn=packet[1])

    # Names of others

    async def _outside(self, query: wire.Query, answer: Answer) -> bytes:
        try:
            if answer.outcome == "not ours":
                return await self._upstream.ask(query)
            sections = await self._follow(query, answer)
        except Unreachable as error:
            log.warning("%s: %s", query.name, error)
            rcode = wire.REFUSED if error.refused else wire.SERVFAIL
            return wire.respond(query, wire.Sections(rcode, authoritative=False))
        return wire.respond(query, sections)

    async def _follow(self, query: wire.Query, answer: Answer) -> wire.Sections:
        """An ExternalName: its CNAME record and what the name it points to answers (2.5)."""
        chain: list[Record] = []
        encoded: list[bytes] = []
        rcode = wire.NOERROR
        type_ = wire.TYPE_NAMES.get(query.type, str(query.type))
        while answer.outcome == "answer" and len(chain) < MAX_CHAIN:
            chain += answer.records
            encoded += [wire.record_bytes(record, query.name) for record in answer.records]
            if answer.records[0].type != "CNAME":
                break
            target = answer.records[0].data.rstrip(".")
            answer = self._table.zone.lookup(target, type_)
            if answer.outcome == "not ours":
                question = wire.name_bytes(target) + query.question[-4:]
                asked = wire.Query(b"\0\0", query.flags, target, query.type, question, wire.OWN_SIZE, False, False)
                try:
                    message = dns.message.from_wire(await self._upstream.ask(asked), ignore_trailing=True)
                except (Unreachable, dns.exception.DNSException) as error:
                    # The CNAME is known, its target is not: that is what the client should see.
                    log.warning("%s: %s", target, error)
                    return wire.Sections(wire.SERVFAIL, tuple(encoded))
                rcode = int(message.rcode())
                for rrset in message.answer:
                    encoded += _encode(rrset)
            elif answer.outcome == "no such name":
                rcode = wire.NXDOMAIN
        return wire.Sections(rcode, tuple(encoded))


def _outward(query: wire.Query, answer: Answer) -> bool:
    """Whether the answer needs more than the zone: a name of others, or an alias that has to be followed."""
    if answer.outcome == "not ours":
        return True
    alias = answer.outcome == "answer" and answer.records[0].type == "CNAME"
    return alias and query.type not in (wire.TYPES["CNAME"], wire.TYPES["ANY"])


def _encode(rrset: dns.rrset.RRset) -> list[bytes]:
    """Records of a message from upstream, written without pointers into it."""
    owner = wire.name_bytes(rrset.name.to_text(omit_final_dot=True))
    return [
        owner + struct.pack("!HHIH", rrset.rdtype, wire.IN, rrset.ttl, len(data)) + data
        for data in (rdata.to_wire() for rdata in rrset)
        if data is not None
    ]


def _widen(sock: socket.socket) -> None:
    """Room for the questions that come while others are answered: the system's default holds some 270."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
    except OSError:  # Not root: as much as the system lets everyone have.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)


def _send(sock: socket.socket, answer: bytes, peer: object) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(answer, peer)  # type: ignore[call-overload]
