"""HTTP/1.1 requests out of bytes, and responses into bytes. Pure.

RFC 9112 as far as a server of small answers needs it: request line, fields, Content-Length and chunked bodies
(counted, not kept), keep-alive, 100-continue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

import msgspec

MAX_HEAD = 64 * 1024

_START = re.compile(rb"[A-Z]{3,20} [^ \r\n]+ HTTP/1\.[01]\r?\n")
_COULD_START = re.compile(rb"[A-Z]{1,20}(?: [^ \r\n]*(?: H?T?T?P?/?1?\.?[01]?\r?)?)?")


class Malformed(Exception):
    """Not an HTTP/1.1 message; the connection cannot go on."""


class Request(msgspec.Struct, frozen=True):
    """target: as sent, e.g. "/items?page=2". fields: in order, names as sent. body: its length in bytes."""

    method: str
    target: str
    version: str
    fields: Sequence[tuple[str, str]]
    body: int = 0

    def field(self, name: str) -> str:
        """The first value of a field, by its lower-case name, or ""."""
        return next((value for key, value in self.fields if key.lower() == name), "")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def keeps_alive(self) -> bool:
        connection = self.field("connection").lower()
        return "close" not in connection if self.version == "1.1" else "keep-alive" in connection


class Response(msgspec.Struct, frozen=True):
    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    fields: Sequence[tuple[str, str]] = ()
    delay: float = 0.0  # seconds to wait before it is sent
    says: str = ""  # a line for the container's log, beside that of the request
    reset: bool = False  # the connection ends with a reset in place of an answer

    def encode(self, *, close: bool, head: bool = False) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {_phrase(self.status)}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.fields),
        ]
        if close:
            lines.append("Connection: close")
        start = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        return start if head else start + self.body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"


def looks_like_http(data: bytes) -> bool | None:
    """Whether the first bytes of a connection begin an HTTP/1 request; None: not enough bytes to tell."""
    if _START.match(data):
        return True
    return None if _COULD_START.fullmatch(data) and len(data) < MAX_HEAD else False


class Reader:
    """Gathers bytes; `next` takes one complete request out of them."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._continued = False

    def feed(self, data: bytes) -> None:
        self._data += data

    def next(self) -> Request | None:
        """The next request, or None until more bytes come. Raises Malformed."""
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > MAX_HEAD:
                raise Malformed("the request's head is too long")
            return None
        request = _head(bytes(self._data[:end]))
        length, taken = self._body(request, end + 4)
        if taken < 0:
            return None
        del self._data[:taken]
        self._continued = False
        return Request(request.method, request.target, request.version, request.fields, length)

    def rest(self) -> bytes:
        """The bytes after the request that was taken last."""
        return bytes(self._data)

    def wants_continue(self) -> bool:
        """True once for a request whose sender waits for "100 Continue" before its body."""
        end = self._data.find(b"\r\n\r\n")
        if end < 0 or self._continued or b"100-continue" not in self._data[:end].lower():
            return False
        self._continued = True
        return True

    def _body(self, request: Request, start: int) -> tuple[int, int]:
        """Length of the body and where the next request begins; (0, -1) while it is incomplete."""
        if "chunked" in request.field("transfer-encoding").lower():
            return self._chunks(start)
        try:
            length = int(request.field("content-length") or "0")
        except ValueError:
            raise Malformed("Content-Length is no number") from None
        if length < 0:
            raise Malformed("Content-Length is negative")
        return (length, start + length) if len(self._data) >= start + length else (0, -1)

    def _chunks(self, position: int) -> tuple[int, int]:
        total = 0
        while True:
            line_end = self._data.find(b"\r\n", position)
            if line_end < 0:
                return 0, -1
            try:
                size = int(bytes(self._data[position:line_end]).partition(b";")[0], 16)
            except ValueError:
                raise Malformed("a chunk's size is no number") from None
            if size == 0:
                end = self._data.find(b"\r\n\r\n", line_end)  # after the trailer fields, if any
                return (total, end + 4) if end >= 0 else (0, -1)
            total += size
            position = line_end + 2 + size + 2


def _head(data: bytes) -> Request:
    lines = data.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Malformed("no HTTP/1 request line")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(f"no header field: {line[:80]!r}")
        fields.append((name, value.strip()))
    return Request(parts[0], parts[1], parts[2][5:], tuple(fields))
