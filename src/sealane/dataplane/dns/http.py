"""HTTP as far as `/health`, `/ready` and `/metrics` need it: GET, one answer a connection (RFC 9112)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus

SECONDS = 5.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Page = Callable[[], tuple[int, str]]
"""Status code and text."""


async def serve(sock: socket.socket, pages: Mapping[str, Page]) -> asyncio.Server:
    """Answers on a listening socket, which becomes the server's. pages: by path."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
            method, target, _ = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            page = pages.get(target.partition("?")[0])
            if method not in ("GET", "HEAD"):
                status, text = 405, ""
            else:
                status, text = page() if page is not None else (404, "404 page not found\n")
            body = text.encode()
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {METRICS_TYPE}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            ).encode()
            writer.write(head if method == "HEAD" else head + body)
            await asyncio.wait_for(writer.drain(), SECONDS)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, sock=sock)
