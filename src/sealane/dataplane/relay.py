"""Two connections coupled: bytes that arrive on one leave on the other, until both have ended.

The one relay there is: mirrors on loopback, the SOCKS proxy and the load balancer that takes connections itself. An end
of one direction is passed on and the other goes on (half-close, RFC 9293, section 3.6); a connection that breaks breaks
the other one. Both connections are closed when that is over, once, by the transports that own their descriptors: one
that is only let go of is closed again by its socket object, whose number may be somebody else's by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

CHUNK = 1 << 16
"""Bytes read at once."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place(Protocol):
    """The place from which a connection starts, such as the thread in a network namespace."""

    async def run(self, function: Callable[..., socket.socket], *arguments: int) -> socket.socket: ...


async def dial(place: Place, address: str, port: int, seconds: float) -> Stream:
    """A connection from `place`, made within so many seconds. Raises OSError (TimeoutError is one)."""
    sock = await place.run(socket.socket, socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.setblocking(False)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (address, port)), seconds)
    except BaseException:
        sock.close()
        raise
    return await asyncio.open_connection(sock=sock)  # from here on the descriptor is the transport's


async def couple(near: Stream, far: Stream) -> None:
    """Returns when both directions have ended and both connections are closed."""
    try:
        async with asyncio.TaskGroup() as directions:
            directions.create_task(_pass(near, far))
            directions.create_task(_pass(far, near))
    finally:
        for _, writer in (near, far):
            writer.close()
    for _, writer in (near, far):
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pass(source: Stream, sink: Stream) -> None:
    """Until the end of `source`, which is passed on as well: the other direction may go on."""
    (reader, own), (_, writer) = source, sink
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()  # TLS knows no half of an end
    except (OSError, RuntimeError):  # uvloop raises RuntimeError where a transport was closed meanwhile
        own.transport.abort()
        writer.transport.abort()
