"""`Streams` into pods through the node agent's socket: the agent starts programs with descriptors made here."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import socket
import struct
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from sealane.apiserver.node_agent import Command, Usage
from sealane.kube.client.protocol import ApiError

_PIECE = 1 << 16
_TERMINAL_GRACE = 0.5
"""Seconds that a terminal has to show what a program that has ended wrote to it last; the kernel brings it later."""
_END_OF_TRANSMISSION = b"\x04"


class AgentStreams:
    """Through `agent_socket`, which need not be there yet."""

    def __init__(self, agent_socket: Path) -> None:
        self._path = agent_socket

    async def execute(self, command: Command) -> AgentProgram:
        """Raises ApiError 503."""
        return await AgentProgram.start(self._path, command)

    async def attach(self, command: Command) -> AgentProgram:
        """Raises ApiError 503."""
        return await AgentProgram.attach(self._path, command)

    async def usage(self) -> Usage:
        """Raises ApiError 503."""
        with await _ask(self._path, {"op": "usage"}) as connection:
            answer = await _line(connection)
        _checked(answer)
        return msgspec.json.decode(answer, type=Usage)

    async def connect(self, namespace: str, pod: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises ApiError 400 or 503, OSError."""
        connection = await _ask(self._path, {"op": "connect", "namespace": namespace, "pod": pod, "port": port})
        with connection:
            await _until_readable(connection.fileno())
            try:
                data, fds, _, _ = socket.recv_fds(connection, 4096, 1)
            except ConnectionError:
                data, fds = b"", []
        try:
            _checked(data)
            if not fds:
                raise ApiError(503, "ServiceUnavailable", "the node agent sent no connection")
            return await asyncio.open_connection(sock=socket.socket(fileno=fds.pop()))
        finally:
            for fd in fds:
                os.close(fd)


class AgentProgram:
    """A program in a pod. Its streams are pipes, or one terminal for all of them."""

    def __init__(self, connection: socket.socket, streams: dict[int, int], *, tty: bool, attached: bool) -> None:
        self._connection = connection
        self._streams = streams  # our ends, by number
        self._tty = tty
        self._attached = attached
        self._ended = asyncio.ensure_future(self._await_end())

    @classmethod
    async def start(cls, path: Path, command: Command) -> AgentProgram:
        request = _about("exec", command) | {"argv": list(command.argv), "tty": command.tty}
        return await cls._begin(path, request, command.stdin, tty=command.tty, attached=False)

    @classmethod
    async def attach(cls, path: Path, command: Command) -> AgentProgram:
        """To the container's first program. When that has a terminal, the terminal stays with the agent."""
        request = _about("attach", command) | {"stdin": command.stdin}
        return await cls._begin(path, request, command.stdin, tty=False, attached=True)

    @classmethod
    async def _begin(
        cls, path: Path, request: dict[str, Any], stdin: bool, *, tty: bool, attached: bool
    ) -> AgentProgram:
        ours: dict[int, int] = {}
        theirs: list[int] = []
        try:
            if tty:
                terminal, theirs_too = pty.openpty()
                ours, theirs = {1: terminal}, [theirs_too] * 3
            else:
                theirs.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
                if stdin:
                    os.close(theirs.pop())
                    end, ours[0] = os.pipe()
                    theirs.append(end)
                for number in (1, 2):
                    ours[number], end = os.pipe()
                    theirs.append(end)
            for fd in ours.values():
                os.set_blocking(fd, False)
            connection = await _ask(path, request, theirs)
        except BaseException:
            for fd in ours.values():
                os.close(fd)
            raise
        finally:
            for fd in set(theirs):
                os.close(fd)
        return cls(connection, ours, tty=tty, attached=attached)

    async def read(self, number: int) -> bytes:
        fd = self._streams.get(number)
        while fd is not None and number in self._streams:
            try:
                return os.read(fd, _PIECE)
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno == errno.EIO:  # no process has the terminal open any more
                    return b""
                raise
            # Its output is in the pipe when it has ended; other holders of the pipe are not waited for.
            if self._ended.done():
                if not await _until_readable(fd, _TERMINAL_GRACE if self._tty else 0.0):
                    return b""
            else:
                await _until_readable(fd, until=self._ended)
        return b""

    async def write(self, data: bytes) -> None:
        fd = self._streams.get(1 if self._tty else 0)
        view = memoryview(data)
        while view and fd is not None and fd in self._streams.values():
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await _until_writable(fd)
            except OSError:
                return

    def end_input(self) -> None:
        if self._tty:
            with contextlib.suppress(OSError):
                os.write(self._streams[1], _END_OF_TRANSMISSION)
        elif 0 in self._streams:
            os.close(self._streams.pop(0))

    def resize(self, width: int, height: int) -> None:
        with contextlib.suppress(OSError, KeyError):
            if self._attached:
                self._connection.send(msgspec.json.encode({"resize": [width, height]}) + b"\n")
            elif self._tty:
                fcntl.ioctl(self._streams[1], termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def exit_code(self) -> int:
        return await asyncio.shield(self._ended)

    def close(self) -> None:
        """The agent sends SIGHUP when the connection goes."""
        self._ended.cancel()
        self._connection.close()
        loop = asyncio.get_running_loop()
        while self._streams:
            _, fd = self._streams.popitem()
            loop.remove_reader(fd)
            loop.remove_writer(fd)
            os.close(fd)

    async def _await_end(self) -> int:
        return int(_checked(await _line(self._connection))["exit"])


def _about(op: str, command: Command) -> dict[str, Any]:
    return {"op": op, "namespace": command.namespace, "pod": command.pod, "container": command.container}


async def _ask(path: Path, request: dict[str, Any], fds: Sequence[int] = ()) -> socket.socket:
    """A connection on which `request` has been sent. Raises ApiError 400 or 503."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, str(path))
        message = msgspec.json.encode(request) + b"\n"
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with contextlib.suppress(ConnectionError):  # the agent answered and closed: its answer is what counts
            if rest := message[connection.sendmsg([message], ancillary) :]:
                await loop.sock_sendall(connection, rest)
    except OSError as error:
        connection.close()
        raise ApiError(503, "ServiceUnavailable", f"the node agent cannot be reached: {error}") from None
    except BaseException:
        connection.close()
        raise
    return connection


async def _line(connection: socket.socket) -> bytes:
    """What comes until a line ends or the agent has gone."""
    loop, line = asyncio.get_running_loop(), b""
    with contextlib.suppress(ConnectionError):
        while not line.endswith(b"\n") and (part := await loop.sock_recv(connection, _PIECE)):
            line += part
    return line


def _checked(line: bytes) -> dict[str, Any]:
    if not line:
        raise ApiError(503, "ServiceUnavailable", "the node agent went away")
    answer: dict[str, Any] = msgspec.json.decode(line)
    if "error" in answer:
        raise ApiError(400, "BadRequest", answer["error"])
    return answer


async def _until_readable(fd: int, seconds: float | None = None, until: asyncio.Future[int] | None = None) -> bool:
    """Whether it is, after so many seconds or when `until` is done at the latest."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        awaited: set[asyncio.Future[Any]] = {ready} if until is None else {ready, until}
        await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ready.done()
    finally:
        loop.remove_reader(fd)


async def _until_writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
