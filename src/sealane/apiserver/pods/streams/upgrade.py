"""From a request to a connection of messages (WebSocket) or of bytes (SPDY), with a protocol that we speak on it.

Sources: RFC 6455; KEP-4006; for SPDY k8s.io/apimachinery/pkg/util/httpstream (the client offers versions in
X-Stream-Protocol-Version, the server takes the first that it knows).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from aiohttp import WSMsgType, web
from aiohttp.http_websocket import WebSocketReader

from sealane.apiserver import errors
from sealane.kube.client.protocol import ApiError

MAX_MESSAGE = 16 << 20
CLOSE_SECONDS = 2.0
"""How long a client may take to end its half, once we have said all."""
_LIMIT = 1 << 16
_VERSION = "X-Stream-Protocol-Version"


class WebSocket:
    """Messages. protocol: the subprotocol agreed upon, "" when the client asked for none."""

    def __init__(self, response: web.WebSocketResponse) -> None:
        self.response = response
        self.protocol = response.ws_protocol or ""
        self._text = "base64" in self.protocol

    async def receive(self) -> bytes | None:
        """The next message; None when there will be none."""
        message = await self.response.receive()
        if message.type is WSMsgType.BINARY:
            return cast(bytes, message.data)
        return str(message.data).encode() if message.type is WSMsgType.TEXT else None

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the client is gone."""
        if self._text:
            await self.response.send_str(data.decode())
        else:
            await self.response.send_bytes(data)

    async def close(self, code: int = 1000) -> None:
        await self.response.close(code=code)


class Bytes:
    """The bytes of a connection after 101 Switching Protocols. protocol: the version agreed upon."""

    def __init__(self, response: web.StreamResponse, reader: asyncio.StreamReader, protocol: str) -> None:
        self.response = response
        self.protocol = protocol
        self._reader = reader

    async def receive(self) -> bytes | None:
        """The bytes that have come; None when there will be nothing."""
        return await self._reader.read(_LIMIT) or None

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the client is gone."""
        await self.response.write(data)

    async def close(self, code: int = 1000) -> None:
        """Lets the client end first: its unread bytes would make the kernel drop ours."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while await self.receive():
                    pass
        except (TimeoutError, ConnectionError):
            pass


Transport = WebSocket | Bytes


async def upgraded(request: web.BaseRequest, subprotocols: Sequence[str], spdy_versions: Sequence[str]) -> Transport:
    """Raises ApiError 400 or 403 when the client wants something else."""
    upgrade = request.headers.get("Upgrade", "").lower()
    if upgrade == "spdy/3.1" and "upgrade" in request.headers.get("Connection", "").lower():
        return await _spdy(request, spdy_versions)
    if upgrade != "websocket":
        raise errors.bad_request("Upgrade request required")
    offered = _listed(request, "Sec-WebSocket-Protocol")
    if offered and not set(offered) & set(subprotocols):
        raise errors.bad_request(
            f"none of the WebSocket subprotocols {', '.join(offered)} is served here; "
            f"these are: {', '.join(filter(None, subprotocols))}"
        )
    socket = web.WebSocketResponse(
        protocols=subprotocols, compress=False, max_msg_size=MAX_MESSAGE, timeout=CLOSE_SECONDS
    )
    await socket.prepare(request)
    return WebSocket(socket)


async def _spdy(request: web.BaseRequest, versions: Sequence[str]) -> Bytes:
    offered = _listed(request, _VERSION)
    version = next((each for each in offered if each in versions), "" if not offered else None)
    if version is None:
        why = f"client supports {offered}, server accepts {list(versions)}".replace("'", "").replace(",", "")
        raise ApiError(403, "Forbidden", f"unable to upgrade: unable to negotiate protocol: {why}")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", **({_VERSION: version} if version else {})}
    return await switched(request, headers, version)


async def switched(request: web.BaseRequest, headers: Mapping[str, str], protocol: str = "") -> Bytes:
    """Answers 101 Switching Protocols with `headers`."""
    reader = asyncio.StreamReader(_LIMIT)
    assert request.transport is not None
    reader.set_transport(request.transport)  # which pauses when nobody reads
    # The client sends nothing before it has read our 101; what comes then is no HTTP any more.
    request.protocol.set_parser(cast(WebSocketReader, Feed(reader)))
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    await response.prepare(request)
    return Bytes(response, reader, protocol)


class Feed:
    """The protocol to which aiohttp brings the bytes after the headers."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._reader.feed_data(bytes(data))
        return False, b""

    def feed_eof(self) -> None:
        self._reader.feed_eof()


def _listed(request: web.BaseRequest, header: str) -> list[str]:
    return [name.strip() for line in request.headers.getall(header, []) for name in line.split(",") if name.strip()]
