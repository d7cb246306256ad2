"""Requests over the agent socket, as values, and how they are read and answered. See `agent`."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket

import msgspec

from sealane.dataplane.linux.probe import ProbeRequest
from sealane.dataplane.pods.logfile import Query

MAX_REQUEST = 160_000


class Exec(msgspec.Struct, tag="exec", tag_field="op"):
    namespace: str
    pod: str
    argv: list[str]
    container: str = ""
    env: dict[str, str] = {}
    cwd: str = ""
    tty: bool = False


class RunOutside(msgspec.Struct, tag="run_outside", tag_field="op"):
    argv: list[str]
    env: dict[str, str] = {}
    cwd: str = "/"
    tty: bool = False


class Logs(Query, tag="logs", tag_field="op", kw_only=True):
    namespace: str
    pod: str
    container: str = ""
    previous: bool = False


class Attach(msgspec.Struct, tag="attach", tag_field="op"):
    """stdin: the caller has input for it."""

    namespace: str
    pod: str
    container: str = ""
    stdin: bool = False


class Connect(msgspec.Struct, tag="connect", tag_field="op"):
    namespace: str
    pod: str
    port: int


class Probes(msgspec.Struct, tag="probe", tag_field="op"):
    probes: list[ProbeRequest]


class Usage(msgspec.Struct, tag="usage", tag_field="op"):
    pass


Request = Exec | RunOutside | Logs | Attach | Connect | Probes | Usage
_decode = msgspec.json.Decoder(Request).decode


class Refused(Exception):
    """The request cannot be carried out; the message is for the caller."""


async def read_request(connection: socket.socket) -> tuple[Request, list[int]]:
    """The request and the descriptors that came with it, which are the caller's. Raises Refused or DecodeError."""
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    fds = array.array("i")
    data = b""
    while not data.endswith(b"\n"):
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(connection.fileno(), _settle, readable)
        try:
            await readable
        finally:
            loop.remove_reader(connection.fileno())
        part, ancillary, _, _ = connection.recvmsg(
            MAX_REQUEST, socket.CMSG_SPACE(3 * fds.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        data += part
        if not part or len(data) > MAX_REQUEST:
            close(list(fds))
            raise Refused("the request is not one JSON line")
    try:
        return _decode(data), list(fds)
    except msgspec.DecodeError:
        close(list(fds))
        raise


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def answer(connection: socket.socket, said: dict[str, object]) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, msgspec.json.encode(said) + b"\n")


def close(fds: list[int]) -> None:
    """Closes and forgets them."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
    fds.clear()
