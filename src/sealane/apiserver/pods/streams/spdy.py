"""SPDY/3.1 framing, without I/O: the server's side of what kubectl port-forward speaks inside a WebSocket.

Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ (sections 2.2 to 2.6). As both ends of
Kubernetes do, it has no windows: WINDOW_UPDATE is neither sent nor obeyed, TCP below slows the senders down.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import msgspec

FIN = 0x01
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
_CONTROL = 1 << 31
_VERSION = 3
_HEADER = 8
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 1, 3, 5
MAX_CONTROL = 1 << 16
"""Bytes of a control frame, and of its headers unpacked; ours are some 100."""
MAX_DATA = 1 << 15
"""Bytes of a data frame we send."""

_WORDS = (
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,"
    "authorization,cache-control,connection,content-base,content-encoding,content-language,content-length,"
    "content-location,content-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,"
    "if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,max-forwards,pragma,"
    "proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,"
    "user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,"
    "keep-alive,origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS.split(",")) + _TEXT.encode()
"""What both ends' compressors begin with (section 2.6.10.1)."""


class SpdyError(Exception):
    """The other side does not speak SPDY/3.1; the connection is of no use any more."""


class Opened(msgspec.Struct, frozen=True):
    """A stream. fin: nothing will come from the client on it. headers: names in lower case."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


class Data(msgspec.Struct, frozen=True):
    """fin: the last of this stream from the client."""

    stream: int
    data: bytes
    fin: bool


class Reset(msgspec.Struct, frozen=True):
    stream: int
    status: int


class Ping(msgspec.Struct, frozen=True):
    """To be sent back with `ping`."""

    id: int


class GoAway(msgspec.Struct, frozen=True):
    """The client opens no more streams."""


Event = Opened | Data | Reset | Ping | GoAway


class Connection:
    """One end of a connection. Bytes go in through `receive`; bytes that other methods return go out, in their order
    (header blocks share one compressor).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(9, zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events that are complete with `data`. Raises SpdyError."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            word, flags_length = struct.unpack_from(">II", self._buffer)
            flags, length = flags_length >> 24, flags_length & 0xFFFFFF
            if word & _CONTROL:
                if word >> 16 & 0x7FFF != _VERSION:
                    raise SpdyError(f"version {word >> 16 & 0x7FFF} of SPDY, not 3")
                if length > MAX_CONTROL:
                    raise SpdyError(f"a control frame of {length} bytes")
            if len(self._buffer) < _HEADER + length:
                return
            payload = bytes(self._buffer[_HEADER : _HEADER + length])
            del self._buffer[: _HEADER + length]
            if not word & _CONTROL:
                yield Data(word, payload, bool(flags & FIN))
                continue
            try:
                event = self._control(word & 0xFFFF, flags, payload)
            except (struct.error, zlib.error, UnicodeDecodeError) as error:
                raise SpdyError(f"a broken frame: {error}") from None
            if event is not None:
                yield event

    def _control(self, kind: int, flags: int, payload: bytes) -> Event | None:
        if kind == _SYN_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            return Opened(stream & 0x7FFFFFFF, self._headers(payload[10:]), bool(flags & FIN))
        if kind in (_SYN_REPLY, _HEADERS):
            self._headers(payload[4:])  # the decompressor must see every block
            return None
        if kind == _RST_STREAM:
            stream, status = struct.unpack(">II", payload)
            return Reset(stream & 0x7FFFFFFF, status)
        if kind == _PING:
            return Ping(*struct.unpack(">I", payload))
        if kind == _GOAWAY:
            return GoAway()
        return None  # SETTINGS and WINDOW_UPDATE; others are to be ignored (section 2.2.1)

    def _headers(self, block: bytes) -> dict[str, str]:
        plain = self._unpack.decompress(block, MAX_CONTROL)
        if self._unpack.unconsumed_tail:
            raise SpdyError("headers are too long")
        (count,) = struct.unpack_from(">I", plain)
        position = 4
        headers: dict[str, str] = {}

        def text() -> str:
            nonlocal position
            (length,) = struct.unpack_from(">I", plain, position)
            start, position = position + 4, position + 4 + length
            if position > len(plain):
                raise SpdyError("a header is longer than its block")
            return plain[start:position].decode()

        for _ in range(count):
            name = text().lower()
            headers[name] = text()
        return headers

    def _block(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for pair in headers.items():
            for text in pair:
                parts.append(struct.pack(">I", len(text.encode())) + text.encode())
        return self._pack.compress(b"".join(parts)) + self._pack.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """SYN_STREAM: the client's way to begin a stream."""
        return _control(_SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._block(headers), FIN if fin else 0)

    def accept(self, stream: int) -> bytes:
        """SYN_REPLY: the stream is open."""
        return _control(_SYN_REPLY, struct.pack(">I", stream) + self._block({}))


def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
    """A data frame; at most 2**24 - 1 bytes. fin: nothing more comes from us on this stream."""
    return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(payload)) + payload


def reset(stream: int, status: int) -> bytes:
    return _control(_RST_STREAM, struct.pack(">II", stream, status))


def ping(id_: int) -> bytes:
    return _control(_PING, struct.pack(">I", id_))


def go_away(last_stream: int = 0) -> bytes:
    return _control(_GOAWAY, struct.pack(">II", last_stream, 0))


def _control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", _CONTROL | _VERSION << 16 | kind, flags << 24 | len(payload)) + payload
