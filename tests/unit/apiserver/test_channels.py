"""Channel messages of exec and attach."""

from __future__ import annotations

import pytest

from sealane.apiserver.pods.streams import channels
from sealane.kube.client.protocol import ApiError

V5, V4, V1, NONE = channels.BINARY
TEXT = channels.TEXT[0]


@pytest.mark.parametrize(
    ("subprotocol", "message", "means"),
    [
        (V5, b"\0hi", channels.Input(b"hi")),
        (V4, b"\0hi", channels.Input(b"hi")),
        (TEXT, b"0aGk=", channels.Input(b"hi")),
        (V5, b'\4{"Width":80,"Height":24}', channels.Resize(80, 24)),
        (TEXT, b"4eyJXaWR0aCI6ODAsIkhlaWdodCI6MjR9", channels.Resize(80, 24)),
        (V5, b"\xff\0", channels.EndOfInput()),
        (V4, b"\xff\0", None),  # closing a channel came with version 5
        (V5, b"\xff\1", None),
        (V5, b"\0", None),
        (V5, b"", None),
        (V5, b"\1out", None),
        (V5, b"\4{", None),
        (V5, b'\4{"Width":0,"Height":70000}', None),
        (TEXT, b"0not base64", None),
        (TEXT, b"", None),
        (V5, b"text", None),
        (V1, b"\0hi", channels.Input(b"hi")),
        (NONE, b"\0hi", channels.Input(b"hi")),
    ],
)
def test_what_a_client_says(subprotocol: str, message: bytes, means: object) -> None:
    assert channels.received(subprotocol, message) == means


def test_what_it_is_told() -> None:
    assert channels.message(V5, channels.STDERR, b"oh") == b"\2oh"
    assert channels.message(TEXT, channels.STDOUT, b"hi") == b"1aGk="


def test_the_end_of_a_program() -> None:
    assert channels.exit_status(0)["status"] == "Success"
    failed = channels.exit_status(7)
    assert (failed["status"], failed["reason"]) == ("Failure", "NonZeroExitCode")
    assert failed["details"] == {"causes": [{"reason": "ExitCode", "message": "7"}]}
    refused = channels.failure(ApiError(400, "BadRequest", "no such file"))
    assert (refused["status"], refused["reason"]) == ("Failure", "InternalError")
    assert "no such file" in refused["message"]
