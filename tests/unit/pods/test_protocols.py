"""What stand-ins speak beside HTTP/1.1: frames in, frames out."""

from __future__ import annotations

import os
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.pods.standins import grpc
from sealane.dataplane.pods.standins.behaviours import Facts
from sealane.dataplane.pods.standins.http import Request
from sealane.dataplane.pods.standins.http2 import Broken, Http2
from sealane.dataplane.pods.standins.websocket import Echo, accepted

FACTS = Facts("shop", "web-0", "node-1", ["10.244.1.2"], "web", "web-0")


def request(method: str = "GET", target: str = "/", **fields: str) -> Request:
    return Request(method, target, "1.1", tuple((name.replace("_", "-"), value) for name, value in fields.items()))


def masked(head: int, payload: bytes) -> bytes:
    """A client's frame."""
    size = len(payload)
    length = (
        bytes((0x80 | size,))
        if size < 126
        else b"\xfe" + size.to_bytes(2, "big")
        if size < 1 << 16
        else b"\xff" + size.to_bytes(8, "big")
    )
    mask = b"\x11\x22\x33\x44"
    return bytes((head,)) + length + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def test_the_handshake_of_the_rfc() -> None:
    asked = request(upgrade="websocket", sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==", sec_websocket_protocol="chat, x")
    answer = accepted(asked)
    assert answer is not None
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"Sec-WebSocket-Protocol: chat\r\n" in answer
    assert accepted(request()) is None


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_websocket_says_back_what_it_hears_however_it_is_cut(payload: bytes, piece: int) -> None:
    echo, sent = Echo(), masked(0x82, payload) + masked(0x89, b"ping") + masked(0x88, b"\x03\xe8bye")
    answer = b"".join(echo.feed(sent[start : start + piece]) for start in range(0, len(sent), piece))
    size = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    assert answer == b"\x82" + size + payload + b"\x8a\x04ping" + b"\x88\x02\x03\xe8"
    assert echo.ended


def test_a_frame_without_a_mask_ends_it() -> None:
    echo = Echo()
    assert echo.feed(b"\x81\x02hi") == b"\x88\x02\x03\xea"
    assert echo.ended


def test_grpc_health_echo_and_what_is_not_there() -> None:
    def call(path: str, *messages: bytes) -> grpc.Answer:
        body = b"".join(grpc.frame(message) for message in messages)
        return grpc.respond(FACTS, request("POST", path, host="web:80", x_a="1"), body)

    assert call("/grpc.health.v1.Health/Check", b"").messages == grpc.frame(b"\x08\x01")
    assert list(grpc.messages_in(call("/any.Service/Method", b"one", b"two").messages)) == [b"one", b"two"]
    (echoed,) = grpc.messages_in(call("/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/Echo", b"").messages)
    for text in (b"grpcecho.GrpcEcho/Echo", b"web:80", b"shop", b"web-0", b"x-a"):
        assert text in echoed
    assert call("/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/EchoThree").status == grpc.UNIMPLEMENTED


class Client:
    """An HTTP/2 client and the stand-in's end."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.server = Http2()

    def ask(self, body: bytes = b"") -> list[tuple[int, Request, bytes]]:
        head = [(":method", "POST"), (":path", "/x"), (":scheme", "http"), (":authority", "web"), ("x-a", "1")]
        self.h2.send_headers(1, head, end_stream=not body)
        if body:
            self.h2.send_data(1, body, end_stream=True)
        return list(self.server.feed(self.h2.data_to_send()))

    def hear(self) -> list[Any]:
        events: list[Any] = []
        while data := self.server.take():
            events += self.h2.receive_data(data)
            for event in events:
                if isinstance(event, DataReceived) and event.stream_id:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    event.stream_id = 0
            list(self.server.feed(self.h2.data_to_send()))
        return events


def test_an_http2_request_and_its_answer_of_many_windows() -> None:
    client = Client()
    ((stream, asked, body),) = client.ask(b"hello")
    assert (asked.method, asked.target, asked.field("host"), asked.field("x-a"), asked.body) == (
        "POST",
        "/x",
        "web",
        "1",
        5,
    )
    assert body == b"hello"
    data = os.urandom(300_000)
    client.server.answer(stream, [(":status", "200")], data, (("grpc-status", "0"),))
    events = client.hear()
    assert b"".join(event.data for event in events if isinstance(event, DataReceived)) == data
    kinds = {type(event) for event in events}
    assert {ResponseReceived, TrailersReceived, StreamEnded} <= kinds


def test_what_is_not_http2_is_refused() -> None:
    with pytest.raises(Broken):
        list(Http2().feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\1\0\0\0\0\0\0x"))
