"""Clients of `agree_routes`: a request over HTTP/1.1, HTTP/2 or gRPC, some bytes or a datagram, and what came back."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
from routes_draw import Asked

SECONDS = 3.0
SILENCE = 0.3
"""After which a datagram has no answer."""


@dataclass(frozen=True)
class Reply:
    """how: "answer", or what happened instead: "refused", "handshake", "closed", "silent".

    status: of HTTP; of gRPC when the answer is one. headers: in the order in which they came, names in lower case.
    """

    how: str
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        found = [value for each, value in self.headers if each == name]
        return ",".join(found) if found else None


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Connection:
    """A connection to the proxy, on which one request follows the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http2: bool) -> None:
        self._reader, self._writer = reader, writer
        self.usable = True
        self._http2: h2.connection.H2Connection | None = None
        if http2:
            config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
            self._http2 = h2.connection.H2Connection(config)
            self._http2.initiate_connection()

    @classmethod
    async def open(cls, made: socket.socket, asked: Asked) -> Connection | Reply:
        """The connection, or the reply that says why there is none. made: connected."""
        http2 = asked.speaks in ("http2", "grpc")
        if asked.server_name is None:
            return cls(*await asyncio.open_connection(sock=made), http2)
        context = unverified()
        if asked.speaks != "bytes":
            context.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
        try:
            opening = asyncio.open_connection(sock=made, ssl=context, server_hostname=asked.server_name)
            return cls(*await asyncio.wait_for(opening, SECONDS), http2)
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            return Reply("handshake")

    def close(self) -> None:
        self._writer.close()

    async def ask(self, asked: Asked) -> Reply:
        try:
            match asked.speaks:
                case "bytes":
                    return await asyncio.wait_for(self._bytes(), SECONDS)
                case "http":
                    return await asyncio.wait_for(self._http(asked), SECONDS)
            return await asyncio.wait_for(self._http2_(asked), SECONDS)
        except (OSError, asyncio.IncompleteReadError):
            self.usable = False
            return Reply("closed")
        except TimeoutError:
            self.usable = False
            return Reply("silent")

    async def _bytes(self) -> Reply:
        self.usable = False
        self._writer.write(b"hello\n")
        said = await self._reader.readline()
        return Reply("answer", body=said) if said else Reply("closed")

    async def _http(self, asked: Asked) -> Reply:
        lines = [f"{asked.method} {asked.path} HTTP/1.1", f"Host: {asked.host}"]
        lines += [f"{name}: {value}" for name, value in asked.headers]
        self._writer.write("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        start, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        reply = Reply("answer", int(start.split()[1]), headers)
        self.usable = (reply.header("connection") or "").lower() != "close"
        body = b""
        if asked.method != "HEAD" and (length := reply.header("content-length")):
            body = await self._reader.readexactly(int(length))
        elif asked.method != "HEAD" and reply.header("transfer-encoding") == "chunked":
            while size := int((await self._reader.readline()).strip(), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
        return Reply("answer", reply.status, headers, body)

    async def _http2_(self, asked: Asked) -> Reply:
        assert self._http2 is not None
        stream = self._http2.get_next_available_stream_id()
        scheme = "http" if asked.server_name is None else "https"
        fields = [(":method", asked.method), (":scheme", scheme), (":authority", asked.host), (":path", asked.path)]
        fields += list(asked.headers)
        if asked.speaks == "grpc":
            fields += [("content-type", "application/grpc"), ("te", "trailers")]
        self._http2.send_headers(stream, fields, end_stream=asked.speaks != "grpc")
        if asked.speaks == "grpc":
            self._http2.send_data(stream, bytes(5), end_stream=True)
        headers: list[tuple[str, str]] = []
        body = b""
        while True:
            self._writer.write(self._http2.data_to_send())
            data = await self._reader.read(65536)
            if not data:
                raise asyncio.IncompleteReadError(b"", 1)
            for event in self._http2.receive_data(data):
                if getattr(event, "stream_id", stream) != stream:
                    continue
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    headers += [(str(name), str(value)) for name, value in event.headers or ()]
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
                    self._http2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    self.usable = False
                    return Reply("closed")
                elif isinstance(event, h2.events.StreamEnded):
                    self._writer.write(self._http2.data_to_send())
                    reply = Reply("answer", 0, headers, body)
                    return Reply("answer", int(reply.header(":status") or 0), headers, body)


async def datagram(made: socket.socket, address: tuple[str, int]) -> Reply:
    """made: a UDP socket in the client's network."""
    loop = asyncio.get_running_loop()
    made.setblocking(False)
    try:
        made.connect(address)
        await loop.sock_sendall(made, b"hello\n")
        return Reply("answer", body=await asyncio.wait_for(loop.sock_recv(made, 2000), SILENCE))
    except TimeoutError:
        return Reply("silent")
    except OSError:
        return Reply("refused")
    finally:
        made.close()
