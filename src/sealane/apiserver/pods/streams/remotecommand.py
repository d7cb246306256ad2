"""exec and attach as conversations without I/O: a client's bytes become events, a program's output becomes bytes.

Two forms of the same: `Channels` (messages of a WebSocket, see `channels`) and `SpdyStreams` (a SPDY stream for each
of the program's). A conversation yields `Send` for what has to go to the client at once and `Ready` when the program
may start.
Source: k8s.io/kubelet/pkg/cri/streaming/remotecommand (httpstream.go, websocket.go) and
k8s.io/apimachinery/pkg/util/remotecommand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from sealane.apiserver.pods.streams import channels, spdy
from sealane.apiserver.pods.streams.channels import EndOfInput, Input, Resize
from sealane.kube.objects import Raw

SPDY_VERSIONS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
"""Of X-Stream-Protocol-Version. v4: the error stream holds a Status. v3: the client may resize the terminal."""


class Ready(msgspec.Struct, frozen=True):
    """Every stream is there: the program can be started."""


class Send(msgspec.Struct, frozen=True):
    data: bytes


Event = Ready | Send | Input | EndOfInput | Resize


class Wanted(msgspec.Struct, frozen=True):
    """The streams that the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    def takes(self, number: int) -> bool:
        """Whether it wants to see output stream `number`."""
        return self.stdout if number == channels.STDOUT else self.stderr

    @property
    def names(self) -> Collection[str]:
        """The names of the program's streams."""
        all_ = {"stdin": self.stdin, "stdout": self.stdout, "stderr": self.stderr}
        return [name for name, is_wanted in all_.items() if is_wanted]


def status_text(version: str, status: Raw) -> bytes:
    """The last message of the error stream: nothing good before v4, where it is JSON."""
    if version.startswith(("v4.", "v5.")):
        return msgspec.json.encode(status)
    return b"" if status["status"] == "Success" else str(status["message"]).encode()


class Channels:
    """Over a WebSocket with one of `channels.SUBPROTOCOLS`."""

    def __init__(self, subprotocol: str, wanted: Wanted) -> None:
        self._subprotocol = subprotocol
        self._wanted = wanted

    def begin(self) -> Iterator[Event]:
        """An empty message tells the client that it is connected."""
        first = (channels.STDOUT, channels.STDERR, channels.ERROR)
        number = next(n for n in first if n == channels.ERROR or self._wanted.takes(n))
        yield Send(channels.message(self._subprotocol, number, b""))
        yield Ready()

    def receive(self, message: bytes) -> Iterator[Event]:
        event = channels.received(self._subprotocol, message)
        if event is not None:
            yield event

    def output(self, number: int, data: bytes) -> bytes:
        return channels.message(self._subprotocol, number, data)

    def finish(self, status: Raw) -> bytes:
        return channels.message(self._subprotocol, channels.ERROR, status_text(self._subprotocol, status))


class SpdyStreams:
    """Over SPDY/3.1 with one of SPDY_VERSIONS. The client opens a stream for each of the program's, and one for errors.

    Raises SpdyError from `receive` when the client speaks something else.
    """

    def __init__(self, version: str, wanted: Wanted) -> None:
        self._version = version
        self._spdy = spdy.Connection()
        self._missing = {"error", *wanted.names}
        if wanted.tty and version in SPDY_VERSIONS[:2]:
            self._missing.add("resize")
        self._streams: dict[str, int] = {}
        self._sizes = ""

    def begin(self) -> Iterator[Event]:
        return iter(())

    def receive(self, data: bytes) -> Iterator[Event]:
        for event in self._spdy.receive(data):
            match event:
                case spdy.Opened(stream, headers, fin):
                    yield from self._opened(stream, headers.get("streamtype", ""), fin)
                case spdy.Data(stream, payload, fin) if stream == self._streams.get("stdin"):
                    if payload:
                        yield Input(payload)
                    if fin:
                        yield EndOfInput()
                case spdy.Data(stream, payload, _) if stream == self._streams.get("resize"):
                    yield from self._resized(payload)
                case spdy.Reset(stream, _) if stream == self._streams.get("stdin"):
                    yield EndOfInput()
                case spdy.Ping(number):
                    yield Send(spdy.ping(number))

    def _opened(self, stream: int, name: str, fin: bool) -> Iterator[Event]:
        if name not in self._missing:
            yield Send(spdy.reset(stream, spdy.PROTOCOL_ERROR))
            return
        self._missing.discard(name)
        self._streams[name] = stream
        yield Send(self._spdy.accept(stream))
        if not self._missing:
            yield Ready()
        if name == "stdin" and fin:
            yield EndOfInput()

    def _resized(self, payload: bytes) -> Iterator[Event]:
        """JSON values, one after another, cut anywhere."""
        *whole, self._sizes = (self._sizes + payload.decode("utf-8", "replace")).split("}")
        for text in whole:
            size = channels.size((text + "}").encode())
            if size is not None:
                yield size

    def output(self, number: int, data: bytes) -> bytes:
        stream = self._streams.get("stdout" if number == channels.STDOUT else "stderr", 0)
        pieces = (data[start : start + spdy.MAX_DATA] for start in range(0, len(data), spdy.MAX_DATA))
        return b"".join(spdy.data(stream, piece) for piece in pieces)

    def finish(self, status: Raw) -> bytes:
        """The status, and the end of every stream on which we speak."""
        said = b""
        if "error" in self._streams:
            said = spdy.data(self._streams["error"], status_text(self._version, status), fin=True)
        ends = [spdy.data(self._streams[name], b"", fin=True) for name in ("stdout", "stderr") if name in self._streams]
        return b"".join((*ends, said, spdy.go_away()))


Conversation = Channels | SpdyStreams
