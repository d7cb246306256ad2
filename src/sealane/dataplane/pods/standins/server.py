"""Serves handed-over sockets, and writes one log line a request.

What a TCP connection speaks is seen from its first bytes: HTTP/1.1 (and WebSocket from there), HTTP/2 without TLS
(gRPC too), TLS with any of them inside, or else anything: that is said back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import msgspec

from sealane.dataplane.linux.handoff import Changed, Complete, Handed, Withdrawn, take
from sealane.dataplane.linux.limits import raise_file_limit
from sealane.dataplane.pods.logfile import encode
from sealane.dataplane.pods.standins import behaviours, websocket
from sealane.dataplane.pods.standins.behaviours import Around, Client, Facts, Socket
from sealane.dataplane.pods.standins.http import Malformed, Reader, Request, Response, looks_like_http

if TYPE_CHECKING:
    from sealane.dataplane.pods.standins.http2 import Http2
    from sealane.dataplane.pods.standins.tls import Secured

log = logging.getLogger(__name__)

ROLE = "stand-ins"
LOG_SECONDS = 0.1


async def serve(control_path: str, ready: Callable[[], None] = lambda: None) -> None:
    """Takes sockets from the agent at `control_path` and serves them, until cancelled. ready() is called once."""
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
        self.attempts: dict[str, int] = {}
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

    def answered(self, client: Client, what: str, response: Response) -> None:
        if response.says:
            self.logs.add(self.facts.log, response.says)
        self.record(client, what, "reset" if response.reset else response.status, len(response.body))


TLS_BEGINS = b"\x16\x03"
HTTP2_BEGINS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Connection(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, served: Served, described: Socket) -> None:
        self._served = served
        self._socket = described
        self._reader: Reader | None = None
        self._first = b""
        self._tls: Secured | None = None
        self._speak: Callable[[bytes], None] | None = None  # what is spoken when it is not HTTP/1.1
        self._busy = False
        self._client: Client = ("", 0)
        self._around = Around(None, served.attempts)
        self._lines = described.behaviour == "conformance-lines"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no common class
        self._below = cast(asyncio.Transport, transport)
        self._transport: asyncio.Transport | Secured = self._below
        peer = transport.get_extra_info("peername")
        if peer:
            self._client = (peer[0], peer[1])
        self._served.connections.add(self)
        if self._lines and self._socket.name == "tls":
            self._begin_tls()
        elif self._lines:
            self._welcome()
        elif self._socket.behaviour == "hostname-at-once":
            self._served.record(self._client, "TCP", "-", 0)
            self._transport.write(self._served.facts.hostname.encode())
            self._transport.close()

    def _begin_tls(self) -> None:
        from sealane.dataplane.pods.standins.tls import Secured

        secured = Secured(
            self._transport, self._received, self._served.facts, alpn=not self._lines, begun=self._handshaken
        )
        self._tls = self._transport = secured

    def _handshaken(self) -> None:
        assert self._tls is not None
        self._around = Around(self._tls.session(), self._served.attempts)
        if self._lines:
            self._welcome()

    def _welcome(self) -> None:
        self._served.record(self._client, "TCP", "-", 0)
        self._transport.write(behaviours.WELCOME)

    def _hear(self, data: bytes) -> None:
        """Answers each whole line."""
        *lines, self._first = (self._first + data).split(b"\n")
        for line in lines:
            self._transport.write(behaviours.said(self._served.facts, self._socket, line, self._around.session))

    def connection_lost(self, exc: Exception | None) -> None:
        self._served.connections.discard(self)

    def eof_received(self) -> bool:
        # A half-closed client (`echo hi | nc`) still gets what is on its way.
        return self._busy

    def end_if_idle(self) -> None:
        if not self._busy:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.feed(data)
        else:
            self._received(data)

    def _received(self, data: bytes) -> None:
        if self._lines:
            self._hear(data)
            return
        if self._speak is not None:
            self._speak(data)
            return
        if self._reader is None:
            self._first += data
            if not self._begins():
                return
            data, self._first = self._first, b""
        assert self._reader is not None
        self._reader.feed(data)
        if not self._busy:
            self._answer()

    def _begins(self) -> bool:
        """Sees from the first bytes what is spoken; whether that is HTTP/1.1."""
        first = self._first
        if first.startswith(TLS_BEGINS) and self._tls is None:
            self._first = b""
            self._begin_tls()
            assert self._tls is not None
            self._tls.feed(first)
            return False
        if first.startswith(HTTP2_BEGINS):
            self._speak_http2(first)
            return False
        is_http = looks_like_http(first)
        if is_http:
            self._reader = Reader()
            return True
        if (is_http is None or HTTP2_BEGINS.startswith(first)) and not first.endswith(b"\n"):
            return False
        self._served.record(self._client, "TCP", "-", len(first))
        self._speak = self._transport.write
        self._transport.write(behaviours.greeting(self._served.facts) + first)
        return False

    def _speak_http2(self, first: bytes) -> None:
        from sealane.dataplane.pods.standins.http2 import Broken, Http2

        http2 = Http2()

        def speak(data: bytes) -> None:
            try:
                for stream, request, body in http2.feed(data):
                    self._answer_http2(http2, stream, request, body)
            except Broken:
                self._transport.write(http2.take())
                self._transport.close()
                return
            self._transport.write(http2.take())

        self._speak = speak
        speak(first)

    def _answer_http2(self, http2: Http2, stream: int, request: Request, body: bytes) -> None:
        from sealane.dataplane.pods.standins import grpc

        served = self._served
        what = f"{request.method} {request.target} HTTP/2"
        if grpc.is_grpc(request):
            said = grpc.respond(served.facts, request, body)
            head = [(":status", "200"), ("content-type", "application/grpc")]
            trailers = (("grpc-status", str(said.status)), ("grpc-message", said.message))
            served.record(self._client, what, f"grpc-status {said.status}", len(said.messages))
            http2.answer(stream, head, said.messages, trailers if said.message else trailers[:1])
            return
        response = behaviours.respond(served.facts, self._socket, request, self._client, self._around)
        served.answered(self._client, what, response)
        head = [(":status", str(response.status)), ("content-type", response.content_type)]
        head += [("content-length", str(len(response.body)))]
        head += [(name.lower(), value) for name, value in response.fields]

        def send() -> None:
            if response.reset:
                self._reset()
                return
            http2.answer(stream, head, b"" if request.method == "HEAD" else response.body)

        def send_late() -> None:
            if not self._transport.is_closing():
                send()
                self._transport.write(http2.take())

        if response.delay:
            asyncio.get_running_loop().call_later(response.delay, send_late)
        else:
            send()

    def _speak_websocket(self, request: Request, rest: bytes, accepted: bytes) -> None:
        echo = websocket.Echo()

        def speak(data: bytes) -> None:
            self._transport.write(echo.feed(data))
            if echo.ended:
                self._transport.close()

        self._served.record(self._client, f"{request.method} {request.target} WebSocket", 101, 0)
        self._transport.write(accepted)
        self._speak = speak
        speak(rest)

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
            if request.field("upgrade") and (accepted := websocket.accepted(request)) is not None:
                self._speak_websocket(request, reader.rest(), accepted)
                return
            served = self._served
            response = behaviours.respond(served.facts, self._socket, request, self._client, self._around)
            what = f"{request.method} {request.target} HTTP/{request.version}"
            served.answered(self._client, what, response)
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

    def _reset(self) -> None:
        """Ends the connection with a reset, as a server that breaks down."""
        below = self._below
        opened = below.get_extra_info("socket")
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        below.abort()

    def _send(self, request: Request, response: Response) -> None:
        if response.reset:
            self._reset()
            return
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
