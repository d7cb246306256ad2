"""The agent's end of the spawner: start a program in a pod, signal it, await its end."""

from __future__ import annotations

import array
import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Sequence

import msgspec

from sealane.dataplane.pods.spawner import MAX_MESSAGE, Forget, Launch, Report, Signal

_decode = msgspec.json.Decoder(Report).decode
_encode = msgspec.json.encode


class Ended(msgspec.Struct, frozen=True):
    """code: exit status, or 128 + signal when a signal ended it."""

    code: int
    signal: int


class Process:
    """A program that has started. pid: as seen from the host."""

    def __init__(self, spawner: Spawner, id_: int, ended: asyncio.Future[Ended]) -> None:
        self._spawner = spawner
        self._id = id_
        self._ended = ended
        self.pid = 0

    async def wait(self) -> Ended:
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int, *, group: bool = False) -> None:
        """Nothing happens when it has ended. group: also to the rest of its session's first process group."""
        if not self._ended.done():
            self._spawner.send(_encode(Signal(self._id, number, group)))

    async def stop(self, grace: float) -> Ended:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        if grace > 0:
            self.send_signal(signal.SIGTERM)
            await asyncio.wait((self._ended,), timeout=grace)
        self.send_signal(signal.SIGKILL, group=True)
        return await self.wait()


class SpawnError(Exception):
    """The program did not start: the system's reason and the path it is about."""


class Spawner:
    """Made with what `spawner.start` returned, in a running event loop."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._starting: dict[int, asyncio.Future[int]] = {}
        self._running: dict[int, asyncio.Future[Ended]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._hear)

    async def launch(self, launch: Launch, stdio: Sequence[int]) -> Process:
        """Starts it with these three descriptors, which stay the caller's. launch.id is chosen here. Raises
        SpawnError.
        """
        id_ = next(self._ids)
        request = msgspec.structs.replace(launch, id=id_)
        started: asyncio.Future[int] = self._loop.create_future()
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._starting[id_], self._running[id_] = started, ended
        process = Process(self, id_, ended)
        try:
            self.send(_encode(request), stdio)
            process.pid = await started
        except (OSError, SpawnError) as error:
            self._starting.pop(id_, None)
            self._running.pop(id_, None)
            raise SpawnError(str(error)) from None
        return process

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        if len(data) > MAX_MESSAGE:
            raise OSError(f"arguments and environment are too long: {len(data)} bytes")
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._channel.setblocking(True)  # the spawner reads at once; a full buffer lasts milliseconds
        try:
            self._channel.sendmsg([data], ancillary)
        finally:
            self._channel.setblocking(False)

    def forget(self, container: str) -> None:
        """The container's file system is needed no more."""
        self.send(_encode(Forget(container)))

    def close(self) -> None:
        """Ends the spawner and everything it started."""
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()

    def _hear(self) -> None:
        while True:
            try:
                data = self._channel.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:  # ECONNRESET: it ended with requests of ours unread
                data = b""
            if not data:
                self._lost()
                return
            report = _decode(data)
            if report.pid:
                self._settle(self._starting.pop(report.id, None), report.pid)
            elif report.error:
                self._running.pop(report.id, None)
                starting = self._starting.pop(report.id, None)
                if starting is not None and not starting.done():
                    starting.set_exception(SpawnError(report.error))
            else:
                self._settle(self._running.pop(report.id, None), Ended(report.code, report.signal))

    def _lost(self) -> None:
        """The spawner is gone, and all it started with it: the agent starts anew (its supervisor sees to that)."""
        self._loop.remove_reader(self._channel.fileno())
        for starting in self._starting.values():
            if not starting.done():
                starting.set_exception(SpawnError("the spawner has ended"))
        for running in self._running.values():
            self._settle(running, Ended(128 + signal.SIGKILL, signal.SIGKILL))
        os.kill(os.getpid(), signal.SIGTERM)

    @staticmethod
    def _settle(future: asyncio.Future[int] | asyncio.Future[Ended] | None, value: int | Ended) -> None:
        if future is not None and not future.done():
            future.set_result(value)  # type: ignore[arg-type]
