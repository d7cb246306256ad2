"""A stand-in's answers over gRPC: request in, messages and status out. Pure.

grpc.health.v1.Health says SERVING; GrpcEcho of the Gateway API conformance image says what it saw
(https://github.com/kubernetes-sigs/gateway-api/blob/main/conformance/echo-basic/grpcecho.proto); any other method says
back each message that it got.
Source of the framing: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sealane.dataplane.pods.standins.behaviours import Facts
from sealane.dataplane.pods.standins.http import Request

OK, UNIMPLEMENTED = 0, 12
_HEALTH = "/grpc.health.v1.Health/"
_ECHO = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/"
_SERVING = b"\x08\x01"  # HealthCheckResponse.status = SERVING


class Answer(msgspec.Struct, frozen=True):
    """messages: each in its frame. status, message: of the trailers."""

    messages: bytes = b""
    status: int = OK
    message: str = ""


def is_grpc(request: Request) -> bool:
    return request.field("content-type").startswith("application/grpc")


def respond(facts: Facts, request: Request, body: bytes) -> Answer:
    """body: the frames of the messages that came."""
    path = request.path
    if path.startswith(_HEALTH):
        if path.removeprefix(_HEALTH) in ("Check", "Watch"):
            return Answer(frame(_SERVING))
        return Answer(status=UNIMPLEMENTED, message=f"unknown method {path.removeprefix(_HEALTH)}")
    if path.startswith(_ECHO):
        if path.removeprefix(_ECHO) in ("Echo", "EchoTwo"):
            return Answer(frame(_field(1, _assertions(facts, request))))
        return Answer(status=UNIMPLEMENTED, message=f"method {path.removeprefix(_ECHO)} not implemented")
    return Answer(b"".join(frame(message) for message in messages_in(body)))


def frame(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def messages_in(body: bytes) -> Iterator[bytes]:
    """The whole messages; what is compressed is left as it is."""
    position = 0
    while len(body) >= position + 5:
        end = position + 5 + int.from_bytes(body[position + 1 : position + 5], "big")
        if len(body) < end:
            return
        yield body[position + 5 : end]
        position = end


def _assertions(facts: Facts, request: Request) -> bytes:
    env = facts.env
    context = (
        env.get("NAMESPACE", facts.namespace),
        env.get("INGRESS_NAME", ""),
        env.get("SERVICE_NAME", ""),
        env.get("POD_NAME", facts.pod),
    )
    headers = (_text(1, name) + _text(2, value) for name, value in request.fields if name != "host")
    return b"".join(
        (
            _text(1, request.path),
            *(_field(2, header) for header in headers),
            _text(3, request.field("host")),
            _field(4, b"".join(_text(number, text) for number, text in enumerate(context, 1))),
        )
    )


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode()) if text else b""


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
