"""port-forward over SPDY and over channels: short plays of what clients send."""

from __future__ import annotations

from collections.abc import Iterable

from sealane.apiserver.pods.streams import spdy
from sealane.apiserver.pods.streams.portforward import Abandon, Connect, Event, Input, Pairs, PortChannels, Send


def told(events: Iterable[Event]) -> list[Event]:
    """Without what goes back to the client at once."""
    return [event for event in events if not isinstance(event, Send)]


def opened(pairs: Pairs, client: spdy.Connection, first: int, request: str, port: str = "8080") -> list[Event]:
    headers = {"port": port, "requestID": request}
    error = client.open(first, {"streamType": "error", **headers}, fin=True)
    data = client.open(first + 2, {"streamType": "data", **headers})
    return told(pairs.receive(error + data))


def test_a_connection_is_a_pair_of_streams() -> None:
    pairs, client = Pairs(), spdy.Connection()
    assert opened(pairs, client, 1, "0") == [Connect(3, 8080)]
    assert opened(pairs, client, 5, "1", "53") == [Connect(7, 53)]
    assert told(pairs.receive(spdy.data(3, b"GET"))) == [Input(3, b"GET")]
    assert told(pairs.receive(spdy.data(7, b"", fin=True))) == [Input(7, b"", end=True)]
    assert told(pairs.receive(spdy.reset(7, spdy.CANCEL))) == [Abandon(7)]
    assert told(pairs.receive(spdy.data(1, b"on the error stream"))) == []


def test_what_goes_wrong_is_said_on_the_error_stream_and_both_end() -> None:
    pairs, client = Pairs(), spdy.Connection()
    opened(pairs, client, 1, "0")
    (said,) = pairs.finish(3, "refused")
    assert list(client.receive(said)) == [
        spdy.Data(1, b"refused", False),
        spdy.Data(3, b"", True),
        spdy.Data(1, b"", True),
    ]
    assert pairs.finish(3, "") == []  # it has ended
    assert told(pairs.receive(spdy.data(3, b"late"))) == []


def test_streams_that_make_no_pair_are_reset() -> None:
    for headers in (
        {"streamType": "data", "port": "80", "requestID": "0"},  # before its error stream
        {"streamType": "error", "port": "0", "requestID": "0"},
        {"streamType": "error", "port": "http", "requestID": "0"},
        {"streamType": "other", "port": "80", "requestID": "0"},
    ):
        client = spdy.Connection()
        (answer,) = Pairs().receive(client.open(1, headers))
        assert isinstance(answer, Send)
        assert list(client.receive(answer.data)) == [spdy.Reset(1, spdy.PROTOCOL_ERROR)]


def test_channels_begin_with_each_port_on_its_channels() -> None:
    ports = PortChannels("v4.channel.k8s.io", [80, 8443])
    assert list(ports.begin()) == [
        Send(b"\0\x50\0"),
        Send(b"\1\x50\0"),
        Send(b"\2\xfb\x20"),
        Send(b"\3\xfb\x20"),
        Connect(0, 80),
        Connect(1, 8443),
    ]
    assert list(ports.receive(b"\2hello")) == [Input(1, b"hello")]
    assert list(ports.receive(b"\1hello")) == []
    assert list(ports.receive(b"\6hello")) == []
    assert ports.output(1, b"x") == b"\2x"
    assert ports.finish(1, "refused") == [b"\3refused"]
