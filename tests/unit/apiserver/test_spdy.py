"""SPDY/3.1 framing: plays of bytes between two ends."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from play import Play
from sealane.apiserver.pods.streams import spdy

HEADERS = {"streamtype": "data", "port": "8080", "requestid": "0"}


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    assert len(spdy.DICTIONARY) == 1423
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_a_stream_is_opened_and_accepted() -> None:
    client, server = spdy.Connection(), spdy.Connection()
    first = client.open(1, {"StreamType": "error"}, fin=True)
    assert first[:8] == bytes.fromhex("80030001") + struct.pack(">I", 0x01 << 24 | len(first) - 8)
    assert first[20:24] == bytes.fromhex("e3c6a7c2")  # after the compression level, the dictionary
    play = Play(server.receive)
    play >> first << spdy.Opened(1, {"streamtype": "error"}, True)
    play >> client.open(3, HEADERS) << spdy.Opened(3, HEADERS, False)
    Play(client.receive) >> server.accept(1) + server.accept(3) << []


def test_frames_that_say_nothing_to_us_are_passed_over() -> None:
    settings = bytes.fromhex("80030004 00000004 00000000")
    window = bytes.fromhex("80030009 00000008 00000001 00010000")
    (
        Play(spdy.Connection().receive)
        >> settings + window + spdy.ping(7) + spdy.go_away()
        << [spdy.Ping(7), spdy.GoAway()]
    )


def test_reset() -> None:
    Play(spdy.Connection().receive) >> spdy.reset(5, spdy.CANCEL) << spdy.Reset(5, spdy.CANCEL)


@pytest.mark.parametrize(
    "frame",
    [
        bytes.fromhex("80020006 00000004 00000001"),  # SPDY/2
        bytes.fromhex("80030001 0000000e 00000001 00000000 0000 deadbeef"),  # headers that are not zlib
        bytes.fromhex("80030003 00000001 00"),  # a short RST_STREAM
        bytes.fromhex("80030001 00ffffff"),  # a control frame of 16 MB
    ],
)
def test_what_is_not_spdy_is_refused(frame: bytes) -> None:
    with pytest.raises(spdy.SpdyError):
        Play(spdy.Connection().receive) >> frame


def test_headers_that_unpack_to_megabytes_are_refused() -> None:
    bomb = spdy.Connection().open(1, {"a": "0" * (4 << 20)})
    assert len(bomb) < spdy.MAX_CONTROL
    with pytest.raises(spdy.SpdyError, match="too long"):
        Play(spdy.Connection().receive) >> bomb


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("open"), st.dictionaries(st.text("abcXYZ-", min_size=1), st.text(max_size=30), max_size=4)
            ),
            st.tuples(st.just("data"), st.binary(max_size=300)),
            st.tuples(st.just("ping"), st.integers(0, 2**32 - 1)),
        ),
        max_size=12,
    ),
    st.integers(1, 40),
    st.booleans(),
)
def test_what_is_sent_is_what_is_received_however_it_is_cut(
    said: list[tuple[str, object]], piece: int, fin: bool
) -> None:
    client, server = spdy.Connection(), spdy.Connection()
    sent, expected = b"", []
    for index, (kind, what) in enumerate(said):
        stream = 2 * index + 1
        if kind == "open":
            assert isinstance(what, dict)
            sent += client.open(stream, what, fin=fin)
            expected.append(spdy.Opened(stream, {name.lower(): what[name] for name in what}, fin))
        elif kind == "data":
            assert isinstance(what, bytes)
            sent += spdy.data(stream, what, fin=fin)
            expected.append(spdy.Data(stream, what, fin))
        else:
            assert isinstance(what, int)
            sent += spdy.ping(what)
            expected.append(spdy.Ping(what))
    pieces = [sent[start : start + piece] for start in range(0, len(sent), piece)]
    Play(lambda cut: [event for each in cut for event in server.receive(each)]) >> pieces << expected
