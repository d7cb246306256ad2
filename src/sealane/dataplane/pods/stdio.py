"""The standard streams of a container's program: what it prints goes to its log and to whoever is attached, and what
they send goes to it.

With `tty` all of them are one terminal. `stdin` without `stdinOnce` stays open for the next who attaches. The first who
attaches to a container that is there for one client (stdinOnce, or an ephemeral one) also sees earlier output:
`kubectl run -i` or `kubectl debug -i` of a program that says something at once would else show nothing. Source:
`stdin`, `stdinOnce` and `tty` of Container in the API reference.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import struct
import termios
import time
from pathlib import Path
from typing import Literal

from sealane.dataplane.pods.logfile import encode

log = logging.getLogger(__name__)

_PIECE = 65536
_HELD = 1 << 18
"""Bytes that may wait for one who is attached before the program has to wait for them."""
_END_OF_TRANSMISSION = b"\x04"
LOG_BYTES = 10 << 20
"""The size at which a log is begun anew, as a kubelet's containerLogMaxSize."""
_DRAIN_SECONDS = 0.5
"""How long a terminal has to show what a program that has ended wrote to it last."""


class Stdio:
    """Made before the program starts, with the descriptors to give it in `theirs`; `started` when it has them."""

    def __init__(self, log: Path, *, stdin: bool, once: bool, tty: bool, ephemeral: bool = False) -> None:
        self.tty = tty
        self.takes_input = stdin
        self._once = once
        self._path = log
        self._log = _opened(log)
        self._size = os.fstat(self._log).st_size
        self._loop = asyncio.get_running_loop()
        self._attached: set[Attachment] = set()
        self._reading: dict[int, Literal["stdout", "stderr"]] = {}  # our ends for output
        self._finished = asyncio.Event()
        self._early: list[tuple[str, bytes]] | None = [] if stdin and (once or ephemeral) else None
        self._input = -1  # our end of its stdin
        theirs: list[int] = []
        if tty:
            terminal, end = os.openpty()
            theirs = [end, end, end]
            self._reading[terminal] = "stdout"
            self._input = terminal
        else:
            if stdin:
                end, self._input = os.pipe()
            else:
                end = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            theirs.append(end)
            for name in ("stdout", "stderr"):
                ours, end = os.pipe()
                self._reading[ours] = name
                theirs.append(end)
        for fd in {*self._reading, *([self._input] if self._input >= 0 else [])}:
            os.set_blocking(fd, False)
        self.theirs = (theirs[0], theirs[1], theirs[2])

    def started(self) -> None:
        """The program has its ends, or will not have them: ours close when its are closed."""
        for fd in set(self.theirs):
            os.close(fd)
        for fd in self._reading:
            self._loop.add_reader(fd, self._read, fd)

    async def drained(self) -> None:
        """Returns when all that the program printed is in the log, or cannot come any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._finished.wait()

    def close(self) -> None:
        """The program has ended: so has everything that is attached."""
        for fd in list(self._reading):
            self._end(fd)
        if self._input >= 0:
            self._close_input()
        for attachment in list(self._attached):
            attachment.finish()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    @property
    def is_closed(self) -> bool:
        return self._log < 0

    def attach(self, fds: tuple[int, int, int], *, types: bool) -> Attachment:
        """fds: where input comes from, where stdout and stderr go to. They are the attachment's from now on.

        types: it has input.
        """
        attachment = Attachment(self, fds, types and self.takes_input)
        for stream, data in self._early or ():
            attachment.show(stream, data)
        self._early = None
        self._attached.add(attachment)
        return attachment

    def resize(self, width: int, height: int) -> None:
        """Of the terminal, in characters; the program gets SIGWINCH."""
        if self.tty and self._input >= 0:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    # Output

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal's error when its other end is closed
                log.warning("%s: %s", self._path, error)
            data = b""
        if not data:
            self._end(fd)
            return
        stream = self._reading[fd]
        with contextlib.suppress(OSError):  # a full disk must not end the program
            self._size += os.write(self._log, encode(data, stream, time.time_ns()))
            if self._size > LOG_BYTES:
                self._rotate()
        if self._early is not None:
            self._early.append((stream, data))
            if sum(len(each) for _, each in self._early) > _HELD:
                self._early = None  # the log has it
        for attachment in self._attached:
            attachment.show(stream, data)
        if any(attachment.is_full for attachment in self._attached):
            for each in self._reading:
                self._loop.remove_reader(each)

    def _rotate(self) -> None:
        """Begins a new log; of the former ones only the last is kept, as NAME.1."""
        os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
        fresh = _opened(self._path)  # until there is one, the former takes what comes
        os.close(self._log)
        self._log, self._size = fresh, 0

    def _end(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        del self._reading[fd]
        if fd != self._input:
            os.close(fd)
        if not self._reading:
            self._finished.set()

    # What attachments say

    def emptied(self) -> None:
        """One who was attached can take more."""
        if not any(attachment.is_full for attachment in self._attached):
            for fd in self._reading:
                self._loop.add_reader(fd, self._read, fd)

    def detached(self, attachment: Attachment) -> None:
        self._attached.discard(attachment)
        if attachment.types:
            self.end_input()
        self.emptied()

    def end_input(self) -> None:
        """One who was attached has no more to say."""
        if not self._once or self._input < 0:
            return
        if self.tty:
            with contextlib.suppress(OSError):
                os.write(self._input, _END_OF_TRANSMISSION)
        else:
            self._close_input()

    def _close_input(self) -> None:
        self._loop.remove_writer(self._input)
        if self._input not in self._reading:
            os.close(self._input)
        self._input = -1

    def write(self, data: bytes) -> int:
        """The number of bytes that the program's stdin took; all of them when it has none. Raises BlockingIOError."""
        if self._input < 0:
            return len(data)
        try:
            return os.write(self._input, data)
        except BlockingIOError:
            raise
        except OSError:
            return len(data)

    async def writable(self) -> None:
        ready = asyncio.Event()
        fd = self._input
        self._loop.add_writer(fd, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_writer(fd)


def _opened(log: Path) -> int:
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class Attachment:
    """An attached client. `ended` is set when the program has ended, or they have gone."""

    def __init__(self, stdio: Stdio, fds: tuple[int, int, int], types: bool) -> None:
        self.types = types
        self._stdio = stdio
        self._loop = asyncio.get_running_loop()
        self._from, *to = fds
        self._to = dict(zip(("stdout", "stderr"), to, strict=True))
        self._held = {name: bytearray() for name in self._to}
        self._is_finishing = False
        self.ended = asyncio.Event()
        for fd in fds:
            os.set_blocking(fd, False)
        self._typing = self._loop.create_task(self._type(), name="attached stdin") if types else None

    @property
    def is_full(self) -> bool:
        return any(len(held) > _HELD for held in self._held.values())

    async def _type(self) -> None:
        """From them to the program, at the program's pace."""
        while data := await self._next():
            view = memoryview(data)
            while view:
                try:
                    view = view[self._stdio.write(bytes(view)) :]
                except BlockingIOError:
                    await self._stdio.writable()
        self._stdio.end_input()

    async def _next(self) -> bytes:
        while True:
            try:
                return os.read(self._from, _PIECE)
            except BlockingIOError:
                ready = asyncio.Event()
                self._loop.add_reader(self._from, ready.set)
                try:
                    await ready.wait()
                finally:
                    self._loop.remove_reader(self._from)
            except OSError:
                return b""

    def show(self, stream: str, data: bytes) -> None:
        held = self._held[stream]
        if not held:
            try:
                self._loop.add_writer(self._to[stream], self._write, stream)
            except OSError:  # a file: it takes all at once, and no loop can wait for it
                with contextlib.suppress(OSError):
                    os.write(self._to[stream], data)
                return
        held += data

    def _write(self, stream: str) -> None:
        held = self._held[stream]
        was_full = self.is_full
        try:
            del held[: os.write(self._to[stream], held)]
        except BlockingIOError:
            return
        except OSError:
            held.clear()  # they are gone; their connection says so too
        if not held:
            self._loop.remove_writer(self._to[stream])
            if self._is_finishing:
                self.finish()
        if was_full and not self.is_full:
            self._stdio.emptied()

    def finish(self) -> None:
        """Nothing more comes: ends when what is held has been taken."""
        self._is_finishing = True
        if not any(self._held.values()):
            self.ended.set()

    def close(self) -> None:
        """They have gone, or the program has ended."""
        if self._typing is not None:
            self._typing.cancel()
        for stream, fd in self._to.items():
            if self._held[stream]:
                self._loop.remove_writer(fd)
            os.close(fd)
        self._held = {name: bytearray() for name in self._to}
        self._loop.remove_reader(self._from)
        os.close(self._from)
        self._stdio.detached(self)
