"""exec and attach over SPDY and over channels: short plays of what clients send."""

from __future__ import annotations

import json

import pytest

from sealane.apiserver.pods.streams import channels, spdy
from sealane.apiserver.pods.streams.remotecommand import (
    SPDY_VERSIONS,
    Channels,
    Event,
    Ready,
    Send,
    SpdyStreams,
    Wanted,
)

V4, V3, V2, V1 = SPDY_VERSIONS
ALL = Wanted(stdin=True, stdout=True, stderr=True, tty=False)
TERMINAL = Wanted(stdin=True, stdout=True, stderr=False, tty=True)


class Client:
    """One end of SPDY that opens streams, and the server's conversation at the other."""

    def __init__(self, version: str, wanted: Wanted) -> None:
        self.server = SpdyStreams(version, wanted)
        self.end = spdy.Connection()
        self.numbers: dict[str, int] = {}

    def open(self, name: str, *, fin: bool = False) -> list[Event]:
        stream = self.numbers[name] = 2 * len(self.numbers) + 1
        return self.says(self.end.open(stream, {"streamType": name}, fin=fin))

    def says(self, data: bytes) -> list[Event]:
        return list(self.server.receive(data))

    def hears(self, data: bytes) -> dict[str, bytes]:
        """What came on each stream; "!" is added where it ended."""
        names = {number: name for name, number in self.numbers.items()}
        heard: dict[str, bytes] = {}
        for event in self.end.receive(data):
            if isinstance(event, spdy.Data):
                name = names[event.stream]
                heard[name] = heard.get(name, b"") + event.data + (b"!" if event.fin else b"")
        return heard


def test_the_program_starts_when_every_stream_is_there() -> None:
    client = Client(V4, ALL)
    for name in ("error", "stdin", "stdout"):
        (reply,) = client.open(name)
        assert isinstance(reply, Send)
    reply, ready = client.open("stderr")
    assert (type(reply), ready) == (Send, Ready())


@pytest.mark.parametrize(("version", "resizes"), [(V4, True), (V3, True), (V2, False), (V1, False)])
def test_a_terminal_is_resized_from_version_3_on(version: str, resizes: bool) -> None:
    client = Client(version, TERMINAL)
    events: list[Event] = []
    for name in ("error", "stdin", "stdout", "resize")[: 4 if resizes else 3]:
        events = client.open(name)
    assert Ready() in events
    if resizes:
        resize = client.numbers["resize"]
        assert client.says(spdy.data(resize, b'{"Width":80,"Hei')) == []
        assert client.says(spdy.data(resize, b'ght":24}\n{"Width":0,"Height":1}')) == [channels.Resize(80, 24)]


def test_input_and_its_end() -> None:
    client = Client(V4, ALL)
    for name in ("error", "stdin", "stdout", "stderr"):
        client.open(name)
    stdin = client.numbers["stdin"]
    assert client.says(spdy.data(stdin, b"abc")) == [channels.Input(b"abc")]
    assert client.says(spdy.data(stdin, b"d", fin=True)) == [channels.Input(b"d"), channels.EndOfInput()]
    assert client.says(spdy.data(client.numbers["stdout"], b"nonsense")) == []
    assert client.says(spdy.ping(7)) == [Send(spdy.ping(7))]


def test_output_and_the_status_of_each_version() -> None:
    for version, well, ill in (
        (V4, b'{"metadata":{},"status":"Success"}!', None),
        (V1, b"!", b"command terminated with non-zero exit code: exit status 3!"),
    ):
        for code, expected in ((0, well), (3, ill)):
            client = Client(version, ALL)
            for name in ("error", "stdin", "stdout", "stderr"):
                client.open(name)
            said = client.server.output(channels.STDOUT, b"out") + client.server.output(channels.STDERR, b"err")
            heard = client.hears(said + client.server.finish(channels.exit_status(code)))
            assert (heard["stdout"], heard["stderr"]) == (b"out!", b"err!")
            if expected is not None:
                assert heard["error"] == expected
            else:
                assert json.loads(heard["error"][:-1])["details"]["causes"][0]["message"] == "3"


def test_a_stream_that_nobody_asked_for_is_reset() -> None:
    client = Client(V4, Wanted(stdin=False, stdout=True, stderr=False, tty=False))
    (answer,) = client.open("stdin")
    assert isinstance(answer, Send)
    assert list(client.end.receive(answer.data)) == [spdy.Reset(1, spdy.PROTOCOL_ERROR)]


def test_big_output_is_cut_into_frames() -> None:
    client = Client(V4, ALL)
    for name in ("error", "stdin", "stdout", "stderr"):
        client.open(name)
    data = bytes(range(256)) * 1024
    assert client.hears(client.server.output(channels.STDOUT, data)) == {"stdout": data}


def test_channels_begin_with_an_empty_message() -> None:
    assert list(Channels("v5.channel.k8s.io", ALL).begin()) == [Send(b"\1"), Ready()]
    only_stdin = Wanted(stdin=True, stdout=False, stderr=False, tty=False)
    assert list(Channels("v4.base64.channel.k8s.io", only_stdin).begin()) == [Send(b"3"), Ready()]


def test_channels_say_the_status_in_the_form_of_their_version() -> None:
    failed = channels.exit_status(2)
    assert json.loads(Channels("v5.channel.k8s.io", ALL).finish(failed)[1:])["reason"] == "NonZeroExitCode"
    assert Channels("channel.k8s.io", ALL).finish(failed)[1:].startswith(b"command terminated with")
