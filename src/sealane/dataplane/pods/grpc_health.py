"""One health check over gRPC, as bytes: the bytes of a question, and the meaning of an answer. Pure.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md (grpc.health.v1.Health/Check), over HTTP/2
(RFC 9113) with a header block that needs no HPACK state (RFC 7541: indexed names, literals without indexing).
"""

from __future__ import annotations

import msgspec

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_ACK = _END_STREAM = 0x1
_END_HEADERS, _PADDED = 0x4, 0x8
_STREAM = 1
_STATUS = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
MAX_ANSWER = 64 * 1024


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _literal(prefix: bytes, value: str) -> bytes:
    """A header field without indexing; values here are shorter than 127 bytes, so lengths are one byte."""
    data = value.encode()[:126]
    return prefix + bytes((len(data),)) + data


def request(authority: str, service: str) -> bytes:
    """All that the client sends first. service: "" asks for the server as a whole."""
    headers = (
        b"\x83\x86"  # :method POST, :scheme http
        + _literal(b"\x04", "/grpc.health.v1.Health/Check")  # :path
        + _literal(b"\x01", authority)  # :authority
        + _literal(b"\x0f\x10", "application/grpc")  # content-type
        + _literal(b"\x00\x02te", "trailers")
        + _literal(b"\x0f\x2b", "kube-probe/1.34")  # user-agent
    )
    name = service.encode()[:126]
    message = b"\x0a" + bytes((len(name),)) + name if name else b""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0)
        + _frame(_HEADERS, _END_HEADERS, _STREAM, headers)
        + _frame(_DATA, _END_STREAM, _STREAM, body)
    )


class Answer(msgspec.Struct):
    """Fed with what comes; `reply` is to be sent back each time. done: (healthy, message) once it is known."""

    done: tuple[bool, str] | None = None
    _bytes: bytearray = msgspec.field(default_factory=bytearray)
    _body: bytearray = msgspec.field(default_factory=bytearray)

    def feed(self, data: bytes) -> bytes:
        """Returns what to send back: acknowledgements."""
        self._bytes += data
        reply = b""
        while self.done is None and len(self._bytes) >= 9:
            size = int.from_bytes(self._bytes[:3], "big")
            if size > MAX_ANSWER:
                self.done = (False, "the answer is not gRPC")
                break
            if len(self._bytes) < 9 + size:
                break
            kind, flags = self._bytes[3], self._bytes[4]
            payload = bytes(self._bytes[9 : 9 + size])
            del self._bytes[: 9 + size]
            reply += self._frame(kind, flags, payload)
        return reply

    def _frame(self, kind: int, flags: int, payload: bytes) -> bytes:
        match kind:
            case 4 if not flags & _ACK:
                return _frame(_SETTINGS, _ACK, 0)
            case 6 if not flags & _ACK:
                return _frame(_PING, _ACK, 0, payload)
            case 0:
                self._body += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
            case 3 | 7:  # RST_STREAM, GOAWAY
                self.done = (False, "the server refused the health check")
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM and self.done is None:
            self.done = self._outcome()
        return b""

    def _outcome(self) -> tuple[bool, str]:
        if not self._body:
            return False, "the server answered without a health status; does it implement grpc.health.v1.Health?"
        message = bytes(self._body[5:])
        status = message[1] if message[:1] == b"\x08" and len(message) > 1 else 0
        return status == 1, f'service unhealthy (responded with "{_STATUS.get(status, status)}")'
