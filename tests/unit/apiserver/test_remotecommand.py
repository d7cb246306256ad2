"""exec and attach over SPDY and over channels: short plays of what clients send."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from play import Play
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


class Client(Play):
    """The client of a SPDY connection: NAME opens a stream, (NAME, bytes) speaks on it ("!" ends it), bytes are frames.

    What comes out is the server's conversation; the replies to opened streams are left out.
    """

    def __init__(self, version: str, wanted: Wanted, *opened: str) -> None:
        super().__init__(self._answer)
        self.server = SpdyStreams(version, wanted)
        self.end = spdy.Connection()
        self.numbers: dict[str, int] = {}
        for name in opened:
            self >> name

    def _answer(self, event: str | tuple[str, bytes] | bytes) -> Iterator[Event]:
        match event:
            case str(name):
                number = self.numbers[name] = 2 * len(self.numbers) + 1
                frames = self.end.open(number, {"streamType": name})
            case (name, data):
                frames = spdy.data(self.numbers[name], data.removesuffix(b"!"), fin=data.endswith(b"!"))
            case frames:
                pass
        for said in self.server.receive(frames):
            if isinstance(said, Send) and isinstance(event, str):
                yield from self.end.receive(said.data)  # nothing, but for a stream that is refused
            else:
                yield said

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
    client = Client(V4, ALL, "error", "stdin")
    client >> "stdout" << [] >> "stderr" << Ready()


@pytest.mark.parametrize(("version", "resizes"), [(V4, True), (V3, True), (V2, False), (V1, False)])
def test_a_terminal_is_resized_from_version_3_on(version: str, resizes: bool) -> None:
    client = Client(version, TERMINAL, "error", "stdin")
    if not resizes:
        client >> "stdout" << Ready()
        return
    client >> "stdout" << [] >> "resize" << Ready()
    client >> ("resize", b'{"Width":80,"Hei') << []
    client >> ("resize", b'ght":24}\n{"Width":0,"Height":1}') << channels.Resize(80, 24)


def test_input_and_its_end() -> None:
    client = Client(V4, ALL, "error", "stdin", "stdout", "stderr")
    client >> ("stdin", b"abc") << channels.Input(b"abc")
    client >> ("stdin", b"d!") << [channels.Input(b"d"), channels.EndOfInput()]
    client >> ("stdout", b"nonsense") << [] >> spdy.ping(7) << Send(spdy.ping(7))


def test_output_and_the_status_of_each_version() -> None:
    for version, well, ill in (
        (V4, b'{"metadata":{},"status":"Success"}!', None),
        (V1, b"!", b"command terminated with non-zero exit code: exit status 3!"),
    ):
        for code, expected in ((0, well), (3, ill)):
            client = Client(version, ALL, "error", "stdin", "stdout", "stderr")
            said = client.server.output(channels.STDOUT, b"out") + client.server.output(channels.STDERR, b"err")
            heard = client.hears(said + client.server.finish(channels.exit_status(code)))
            assert (heard["stdout"], heard["stderr"]) == (b"out!", b"err!")
            if expected is not None:
                assert heard["error"] == expected
            else:
                assert json.loads(heard["error"][:-1])["details"]["causes"][0]["message"] == "3"


def test_a_stream_that_nobody_asked_for_is_reset() -> None:
    client = Client(V4, Wanted(stdin=False, stdout=True, stderr=False, tty=False))
    client >> "stdin" << spdy.Reset(1, spdy.PROTOCOL_ERROR)


def test_big_output_is_cut_into_frames() -> None:
    client = Client(V4, ALL, "error", "stdin", "stdout", "stderr")
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
