"""HTTP/2 of a stand-in, with and without TLS: bytes in, requests out, answers in, bytes out. No I/O.

Imported when the first client speaks it. Source: RFC 9113, by the `h2` library.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from sealane.dataplane.pods.standins.http import Request

MAX_KEPT = 4 << 20
"""Bytes of a body that are kept, for gRPC to say back; the rest is counted."""


class Broken(Exception):
    """The client breaks the protocol: what `take` gives says so, and then the connection is over."""


class _Stream(msgspec.Struct):
    fields: tuple[tuple[str, str], ...]
    kept: bytearray = msgspec.field(default_factory=bytearray)
    length: int = 0


class _Outgoing(msgspec.Struct):
    """Bytes that wait for the client to make room. trailers end the stream; without, the data does."""

    data: bytes
    trailers: tuple[tuple[str, str], ...] = ()


class Http2:
    """One connection."""

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._streams: dict[int, _Stream] = {}
        self._outgoing: dict[int, _Outgoing] = {}

    def feed(self, data: bytes) -> Iterator[tuple[int, Request, bytes]]:
        """Requests that are complete now: stream, request, body (as far as it is kept). Raises Broken."""
        try:
            events = self._h2.receive_data(data)
        except ProtocolError as error:
            raise Broken(str(error)) from None
        for event in events:
            match event:
                case RequestReceived():
                    self._streams[event.stream_id] = _Stream(tuple((str(k), str(v)) for k, v in event.headers))
                case DataReceived():
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    stream = self._streams.get(event.stream_id)
                    if stream is not None:
                        stream.length += len(event.data)
                        stream.kept += event.data[: max(0, MAX_KEPT - len(stream.kept))]
                case StreamEnded():
                    ended = self._streams.pop(event.stream_id, None)
                    if ended is not None:
                        yield event.stream_id, _request(ended), bytes(ended.kept)
                case StreamReset():
                    self._streams.pop(event.stream_id, None)
                    self._outgoing.pop(event.stream_id, None)
                case WindowUpdated():
                    for number in list(self._outgoing):
                        self._pour(number)

    def answer(
        self, stream: int, head: list[tuple[str, str]], data: bytes, trailers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """head: ":status" first. Nothing happens when the client has reset the stream."""
        try:
            self._h2.send_headers(stream, head, end_stream=not data and not trailers)
        except ProtocolError:
            return
        if data or trailers:
            self._outgoing[stream] = _Outgoing(data, trailers)
            self._pour(stream)

    def _pour(self, stream: int) -> None:
        """As much as the client has room for."""
        waiting = self._outgoing[stream]
        try:
            while waiting.data:
                room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
                if room <= 0:
                    return
                piece, waiting.data = waiting.data[:room], waiting.data[room:]
                self._h2.send_data(stream, piece, end_stream=not waiting.data and not waiting.trailers)
            if waiting.trailers:
                self._h2.send_headers(stream, waiting.trailers, end_stream=True)
        except ProtocolError:
            pass  # the stream is gone
        del self._outgoing[stream]

    def finish(self) -> None:
        """No more streams are taken."""
        self._h2.close_connection()

    def take(self) -> bytes:
        """The bytes to send now."""
        return self._h2.data_to_send()


def _request(stream: _Stream) -> Request:
    """As HTTP/1.1 would have it: the authority is the host."""
    pseudo = {name: value for name, value in stream.fields if name.startswith(":")}
    fields = [("host", pseudo.get(":authority", ""))]
    fields += [(name, value) for name, value in stream.fields if not name.startswith(":") and name != "host"]
    return Request(pseudo.get(":method", ""), pseudo.get(":path", "/"), "2.0", tuple(fields), stream.length)
