"""The channel messages of exec and attach, without I/O: each WebSocket message is a channel's number, then its bytes.

Source: k8s.io/apimachinery/pkg/util/remotecommand (subprotocol names, channel numbers, the exit code's Status) and
KEP-4006 (version 5: a message of channel 255 closes the channel whose number follows).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from sealane.kube.client import ApiError
from sealane.kube.objects import Raw

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255

BINARY = ("v5.channel.k8s.io", "v4.channel.k8s.io")
TEXT = "v4.base64.channel.k8s.io"
"""Text messages: the number as a decimal digit, then base64."""
SUBPROTOCOLS = (*BINARY, TEXT)


@dataclass(frozen=True, slots=True)
class Input:
    data: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    pass


@dataclass(frozen=True, slots=True)
class Resize:
    width: int
    height: int


class _Size(msgspec.Struct):
    Width: int
    Height: int


_decode_size = msgspec.json.Decoder(_Size).decode


def received(subprotocol: str, message: bytes | str) -> Input | EndOfInput | Resize | None:
    """What a client's message says; None when it says nothing to a program (as kubelets ignore it)."""
    if subprotocol == TEXT:
        text = message if isinstance(message, str) else message.decode("latin-1")
        try:
            channel, data = int(text[:1]), base64.b64decode(text[1:], validate=True)
        except (ValueError, binascii.Error):
            return None
    elif not message:
        return None
    else:
        binary = message.encode() if isinstance(message, str) else message  # some clients send both kinds
        channel, data = binary[0], binary[1:]
    if channel == STDIN and data:
        return Input(data)
    if channel == RESIZE:
        try:
            size = _decode_size(data)
        except msgspec.DecodeError:
            return None
        return Resize(size.Width, size.Height) if 0 < size.Width < 1 << 16 and 0 < size.Height < 1 << 16 else None
    if channel == CLOSE and data[:1] == bytes([STDIN]) and subprotocol == BINARY[0]:
        return EndOfInput()
    return None


def message(subprotocol: str, channel: int, data: bytes) -> bytes | str:
    """A message to the client: text when the subprotocol is."""
    if subprotocol == TEXT:
        return f"{channel}{base64.b64encode(data).decode()}"
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
