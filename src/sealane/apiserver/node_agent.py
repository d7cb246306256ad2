"""The protocol between the API and the node agent, which carries streams into pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A program to start in a pod's container. stdin: the client sends some. tty: give it a terminal."""

    namespace: str
    pod: str
    container: str
    argv: Sequence[str]
    stdin: bool = False
    tty: bool = False


class Program(Protocol):
    """A program whose standard streams are at hand. Use it in one event loop, and `close` it."""

    async def read(self, number: int) -> bytes:
        """The next bytes of stdout (1) or stderr (2); b"" when there will be none."""
        ...

    async def write(self, data: bytes) -> None:
        """To its stdin; nothing happens when it does not listen any more."""
        ...

    def end_input(self) -> None:
        """Its stdin is at an end."""
        ...

    def resize(self, width: int, height: int) -> None:
        """Of its terminal, in characters."""
        ...

    async def exit_code(self) -> int:
        """Awaits its end: exit status, or 128 + signal. Raises ApiError when it could not be started."""
        ...

    def close(self) -> None:
        """Lets go of it; when it still runs it gets SIGHUP."""
        ...


class Amount(msgspec.Struct, frozen=True):
    """cpu: in processors. memory: in bytes."""

    cpu: float
    memory: float


class Usage(msgspec.Struct, frozen=True):
    """window: seconds that the rates are over. pods: container → amount, by the pod's uid. nodes: by name."""

    window: float
    pods: dict[str, dict[str, Amount]]
    nodes: dict[str, Amount]


class Streams(Protocol):
    """Streams into running pods, and what these use. Each raises ApiError when the pod's node cannot do it."""

    async def usage(self) -> Usage: ...

    async def execute(self, command: Command) -> Program: ...

    async def attach(self, command: Command) -> Program:
        """To the container's own first process; `argv` is empty."""
        ...

    async def connect(self, namespace: str, pod: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection to a port on the pod's loopback, as a kubelet makes for port-forward."""
        ...


class LogOptions(msgspec.Struct, frozen=True):
    """core/v1 PodLogOptions. tail: lines, -1 for all. since: seconds since the epoch. limit: bytes. 0: no limit."""

    follow: bool = False
    previous: bool = False
    tail: int = -1
    since: float = 0.0
    timestamps: bool = False
    limit: int = 0


LogReader = Callable[[str, str, str, LogOptions], AsyncIterator[bytes]]
"""log_reader(namespace, pod, container, options): what a container printed, in chunks."""
