"""Serves handed-over sockets: HTTP/1.1 or raw TCP on each connection, UDP, and one log line a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import cast

import msgspec
import uvloop

from sealane.dataplane.linux.handoff import Changed, Complete, Handed, Withdrawn, take
from sealane.dataplane.linux.limits import raise_file_limit
from sealane.dataplane.pods.logfile import encode
from sealane.dataplane.pods.standins import behaviours
from sealane.dataplane.pods.standins.behaviours import Client, Facts, Socket
from sealane.dataplane.pods.standins.http import Malformed, Reader, Request, Response, looks_like_http

log = logging.getLogger(__name__)

ROLE = "stand-ins"
LOG_SECONDS = 0.1


def main(control_path: str, ready: Callable[[], None] = lambda: None) -> None:
    """Runs until killed: takes sockets from the agent at `control_path` and serves them. ready() is called once."""
    uvloop.run(_serve(control_path, ready))


async def _serve(control_path: str, ready: Callable[[], None]) -> None:
    raise_file_limit()
    logs = Logs()
    served: dict[str, Served] = {}
    ready()
    async for event in take(control_path, ROLE):
        match event:
            case Handed(id_, facts, sockets):
                # After a reconnection everything comes again: the new copies of the sockets take the old ones' place.
                old = served.pop(id_, None)
                served[id_] = Served(msgspec.convert(facts, Facts), logs)
                await served[id_].open(sockets)
                if old is not None:
                    old.stop_listening()
            case Changed(id_, facts):
                if id_ in served:
                    served[id_].facts = msgspec.convert(facts, Facts)
            case Withdrawn(id_):
                if id_ in served:
                    served.pop(id_).close()
            case Complete(ids):
                for id_ in served.keys() - ids:
                    served.pop(id_).close()


class Logs:
    """Appends lines to files, gathered for a moment so that a busy pod costs one write for many requests."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[bytes]] = {}

    def add(self, path: str, line: str) -> None:
        if not path:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(LOG_SECONDS, self._write)
        self._waiting.setdefault(path, []).append(encode(f"{line}\n".encode(), "stdout", time.time_ns()))

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for path, lines in waiting.items():
            with contextlib.suppress(OSError), open(path, "ab") as file:
                file.write(b"".join(lines))


class Served:
    """The sockets of one container."""

    def __init__(self, facts: Facts, logs: Logs) -> None:
        self.facts = facts
        self.logs = logs
        self.closing = False
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._datagrams: list[asyncio.DatagramTransport] = []

    async def open(self, sockets: tuple[socket.socket, ...]) -> None:
        loop = asyncio.get_running_loop()
        for described, opened in zip(self.facts.sockets, sockets, strict=True):
            if described.protocol == "UDP":
                transport, _ = await loop.create_datagram_endpoint(self._datagram(described), sock=opened)
                self._datagrams.append(transport)
            else:
                server = await loop.create_server(self._connection(described), sock=opened, backlog=1024)
                self._servers.append(server)

    def _connection(self, described: Socket) -> Callable[[], Connection]:
        return lambda: Connection(self, described)

    def _datagram(self, described: Socket) -> Callable[[], Datagrams]:
        return lambda: Datagrams(self, described)

    def stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        for transport in self._datagrams:
            transport.close()

    def close(self) -> None:
        """Listens no more; idle connections end now, the others after their answer."""
        self.closing = True
        self.stop_listening()
        for connection in list(self.connections):
            connection.end_if_idle()

    def record(self, client: Client, what: str, status: int | str, size: int) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.logs.add(self.facts.log, f'{now} {client[0]} "{what}" {status} {size}')


class Connection(asyncio.Protocol):
    """One TCP connection: HTTP/1.1 when its first bytes say so, else an echo of what comes."""

    def __init__(self, served: Served, described: Socket) -> None:
        self._served = served
        self._socket = described
        self._reader: Reader | None = None
        self._first = b""
        self._raw = False
        self._busy = False
        self._client: Client = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no common class
        peer = transport.get_extra_info("peername")
        if peer:
            self._client = (peer[0], peer[1])
        self._served.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._served.connections.discard(self)

    def eof_received(self) -> bool:
        # A half-closed client (`echo hi | nc`) still gets what is on its way.
        return self._busy

    def end_if_idle(self) -> None:
        if not self._busy:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._raw:
            self._transport.write(data)
            return
        if self._reader is None:
            self._first += data
            is_http = looks_like_http(self._first)
            if is_http is None and not self._first.endswith(b"\n"):
                return
            data, self._first = self._first, b""
            if not is_http:
                self._raw = True
                self._served.record(self._client, "TCP", "-", len(data))
                self._transport.write(behaviours.greeting(self._served.facts) + data)
                return
            self._reader = Reader()
        self._reader.feed(data)
        if not self._busy:
            self._answer()

    def _answer(self) -> None:
        """Answers the requests that are complete, one after another."""
        reader = self._reader
        assert reader is not None
        while not self._transport.is_closing():
            try:
                request = reader.next()
            except Malformed as error:
                self._transport.write(Response(f"{error}\n".encode(), status=400).encode(close=True))
                self._transport.close()
                return
            if request is None:
                if reader.wants_continue():
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            served = self._served
            response = behaviours.respond(served.facts, self._socket, request, self._client)
            what = f"{request.method} {request.target} HTTP/{request.version}"
            served.record(self._client, what, response.status, len(response.body))
            if response.delay:
                self._busy = True
                asyncio.get_running_loop().call_later(response.delay, self._late, request, response)
                return
            self._send(request, response)

    def _late(self, request: Request, response: Response) -> None:
        self._busy = False
        if not self._transport.is_closing():
            self._send(request, response)
            self._answer()

    def _send(self, request: Request, response: Response) -> None:
        close = self._served.closing or self._served.facts.draining or not request.keeps_alive
        self._transport.write(response.encode(close=close, head=request.method == "HEAD"))
        if close:
            self._transport.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, served: Served, described: Socket) -> None:
        self._served = served
        self._socket = described

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = behaviours.reply(self._served.facts, self._socket, data, (addr[0], addr[1]))
        self._served.record((addr[0], addr[1]), "UDP", "-", len(answer))
        self._transport.sendto(answer, addr)
