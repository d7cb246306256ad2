"""port-forward as a conversation without I/O: connections to ports of a pod over one connection to the client.

`Pairs`: SPDY/3.1, plain or in the messages of a WebSocket (KEP-4006). Each connection is a pair of streams with one
`requestid`: one of `streamtype` error, on which we say in plain text what went wrong, and one of `streamtype` data.
`PortChannels`: the older form over WebSocket. Port i of the request has channel 2i for data and 2i+1 for errors; on
each the server first sends the port's number, two bytes, least significant first.
Source: k8s.io/kubelet/pkg/cri/streaming/portforward (httpstream.go, websocket.go).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sealane.apiserver.pods.streams import channels, spdy

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
SPDY_VERSIONS = ("portforward.k8s.io",)


class Connect(msgspec.Struct, frozen=True):
    """Make connection `id` to a port of the pod."""

    id: int
    port: int


class Input(msgspec.Struct, frozen=True):
    """For the pod, on connection `id`. end: nothing comes after it."""

    id: int
    data: bytes
    end: bool = False


class Abandon(msgspec.Struct, frozen=True):
    """The client wants connection `id` no more."""

    id: int


class Send(msgspec.Struct, frozen=True):
    data: bytes


Event = Connect | Input | Abandon | Send


class Pairs:
    """Raises SpdyError from `receive` when the client speaks something else. A connection's id is its data stream."""

    def __init__(self) -> None:
        self._spdy = spdy.Connection()
        self._waiting: dict[str, int] = {}  # request id -> error stream whose data stream is to come
        self._errors: dict[int, int] = {}  # data stream -> error stream

    def begin(self) -> Iterator[Event]:
        return iter(())

    def receive(self, data: bytes) -> Iterator[Event]:
        for event in self._spdy.receive(data):
            match event:
                case spdy.Opened(stream, headers, fin):
                    yield from self._opened(stream, headers, fin)
                case spdy.Data(stream, payload, fin) if stream in self._errors:
                    yield Input(stream, payload, fin)
                case spdy.Reset(stream, _) if stream in self._errors:
                    yield Abandon(stream)
                case spdy.Ping(number):
                    yield Send(spdy.ping(number))

    def _opened(self, stream: int, headers: Mapping[str, str], fin: bool) -> Iterator[Event]:
        kind, id_, port = headers.get("streamtype"), headers.get("requestid", ""), port_of(headers.get("port", ""))
        known = self._waiting.get(id_)
        if port is None or not ((kind == "error" and known is None) or (kind == "data" and known is not None)):
            yield Send(spdy.reset(stream, spdy.PROTOCOL_ERROR))
            return
        yield Send(self._spdy.accept(stream))
        if known is None:
            self._waiting[id_] = stream
            return
        self._errors[stream] = self._waiting.pop(id_)
        yield Connect(stream, port)
        if fin:
            yield Input(stream, b"", end=True)

    def output(self, id_: int, data: bytes) -> bytes:
        return spdy.data(id_, data)

    def finish(self, id_: int, problem: str) -> list[bytes]:
        """The connection has ended. problem: why, when not well."""
        error = self._errors.pop(id_, None)
        if error is None:
            return []
        said = spdy.data(error, problem.encode()) if problem else b""
        return [said + spdy.data(id_, b"", fin=True) + spdy.data(error, b"", fin=True)]


class PortChannels:
    """A connection's id is its port's place in the request. Each port is connected to once, at once."""

    def __init__(self, subprotocol: str, ports: Sequence[int]) -> None:
        self._subprotocol = subprotocol
        self._ports = ports
        self._ended = 0

    @property
    def is_over(self) -> bool:
        """All its connections have ended: there is no message that says so, only the end of the conversation."""
        return self._ended == len(self._ports)

    def begin(self) -> Iterator[Event]:
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                yield Send(channels.message(self._subprotocol, channel, struct.pack("<H", port)))
        for index, port in enumerate(self._ports):
            yield Connect(index, port)

    def receive(self, message: bytes) -> Iterator[Event]:
        channel, data = channels.split(self._subprotocol, message)
        if channel % 2 == 0 and 0 <= channel < 2 * len(self._ports) and data:
            yield Input(channel // 2, data)

    def output(self, id_: int, data: bytes) -> bytes:
        return channels.message(self._subprotocol, 2 * id_, data)

    def finish(self, id_: int, problem: str) -> list[bytes]:
        self._ended += 1
        return [channels.message(self._subprotocol, 2 * id_ + 1, problem.encode())] if problem else []


Conversation = Pairs | PortChannels


def port_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16 else None
