"""The channel messages of exec and attach, without I/O: each WebSocket message is a channel's number, then its bytes.

Source: k8s.io/apimachinery/pkg/util/remotecommand (subprotocol names, channel numbers, the exit code's Status) and
KEP-4006 (version 5: a message of channel 255 closes the channel whose number follows).
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255

BINARY = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io", "")
TEXT = ("v4.base64.channel.k8s.io", "base64.channel.k8s.io")
"""Text messages: the number as a decimal digit, then base64."""
SUBPROTOCOLS = (*filter(None, BINARY), *TEXT)


class Input(msgspec.Struct, frozen=True):
    data: bytes


class EndOfInput(msgspec.Struct, frozen=True):
    pass


class Resize(msgspec.Struct, frozen=True):
    width: int
    height: int


class _Size(msgspec.Struct):
    Width: int
    Height: int


_decode_size = msgspec.json.Decoder(_Size).decode


def split(subprotocol: str, message: bytes) -> tuple[int, bytes]:
    """A message's channel and data; channel -1 for what is no message."""
    if subprotocol not in TEXT:
        return (message[0], message[1:]) if message else (-1, b"")
    try:
        return int(message[:1]), base64.b64decode(message[1:], validate=True)
    except (ValueError, binascii.Error):
        return -1, b""


def received(subprotocol: str, message: bytes) -> Input | EndOfInput | Resize | None:
    """The contents of a client's message; None when it says nothing to a program (as kubelets ignore it)."""
    channel, data = split(subprotocol, message)
    if channel == STDIN and data:
        return Input(data)
    if channel == RESIZE:
        return size(data)
    if channel == CLOSE and data[:1] == bytes([STDIN]) and subprotocol == BINARY[0]:
        return EndOfInput()
    return None


def size(data: bytes) -> Resize | None:
    """From JSON; None when it is no size."""
    try:
        found = _decode_size(data)
    except msgspec.DecodeError:
        return None
    return Resize(found.Width, found.Height) if 0 < found.Width < 1 << 16 and 0 < found.Height < 1 << 16 else None


def message(subprotocol: str, channel: int, data: bytes) -> bytes:
    """A message to the client, in the bytes of its text when the subprotocol is one of text."""
    if subprotocol in TEXT:
        return f"{channel}{base64.b64encode(data).decode()}".encode()
    return bytes([channel]) + data


def exit_status(code: int) -> Raw:
    """The Status on the error channel when a program has ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure(error: ApiError) -> Raw:
    """The Status on the error channel when it could not be started."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {error.message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": error.message}]},
        "code": 500,
    }
