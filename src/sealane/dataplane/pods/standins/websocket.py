"""A WebSocket that says back what it hears. Pure. Source: RFC 6455."""

from __future__ import annotations

import base64
import hashlib

from sealane.dataplane.pods.standins.http import Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _CLOSE, _PING, _PONG = 0x0, 0x8, 0x9, 0xA
_FIN = 0x80
MAX_FRAME = 16 << 20
TOO_BIG, PROTOCOL_ERROR = 1009, 1002


def accepted(request: Request) -> bytes | None:
    """The answer to an upgrade; None when the request asks for none that we can give."""
    key = request.field("sec-websocket-key")
    if request.method != "GET" or request.field("upgrade").lower() != "websocket" or not key:
        return None
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept}")
    if offered := request.field("sec-websocket-protocol"):
        lines.append(f"Sec-WebSocket-Protocol: {offered.split(',')[0].strip()}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


class Echo:
    """Bytes of frames in, bytes of frames out. ended: it is over when they are sent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        self._buffer += data
        answers: list[bytes] = []
        while not self.ended and (frame := self._next()) is not None:
            head, payload = frame
            opcode = head & 0x0F
            if opcode == _CLOSE:
                answers.append(_frame(_FIN | _CLOSE, payload[:2]))
                self.ended = True
            elif opcode == _PING:
                answers.append(_frame(_FIN | _PONG, payload))
            elif opcode < _CLOSE:
                answers.append(_frame(head & (_FIN | 0x0F), payload))
        return b"".join(answers) + self._refusal()

    def _next(self) -> tuple[int, bytes] | None:
        """The first byte and the payload of the next frame that is complete."""
        if len(self._buffer) < 2:
            return None
        head, second = self._buffer[0], self._buffer[1]
        length, start = second & 0x7F, 2
        if length > 125:
            size = 2 if length == 126 else 8
            length, start = int.from_bytes(self._buffer[2 : 2 + size], "big"), 2 + size
            if len(self._buffer) < start:
                return None
        if not second & 0x80 or length > MAX_FRAME:
            self._wrong = PROTOCOL_ERROR if not second & 0x80 else TOO_BIG
            self.ended = True
            return None
        end = start + 4 + length
        if len(self._buffer) < end:
            return None
        mask, payload = bytes(self._buffer[start : start + 4]), self._buffer[start + 4 : end]
        del self._buffer[:end]
        key = (mask * (length // 4 + 1))[:length]
        plain = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
        return head, plain

    _wrong = 0

    def _refusal(self) -> bytes:
        return _frame(_FIN | _CLOSE, self._wrong.to_bytes(2, "big")) if self._wrong else b""


def _frame(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 1 << 16:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload
