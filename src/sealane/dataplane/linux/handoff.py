"""Hands listening sockets from the process that made them to the process that serves them.

The node agent makes a pod's sockets inside the pod's network namespace, keeps its copy, and sends them (SCM_RIGHTS,
unix(7)) to the one process that serves that role ("dns", "stand-ins"). A server that restarts connects again and is
given all of them, so no connection that waits is lost.

Every message of the SOCK_SEQPACKET socket is one JSON object:

    server → agent   {"serve": ROLE}
    server → agent   {"linger": ID, "seconds": N}, for how long it wants to go on once its pod ends
    agent → server   {"add": ID, "facts": {…}}, with the descriptors of its sockets, in order
    agent → server   {"change": ID, "facts": {…}}, when only the facts change
    agent → server   {"remove": ID}
    agent → server   {"complete": true}, once all that existed at connection, or before a crash of the agent, are sent
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from sealane.dataplane.linux.peers import is_neighbour

log = logging.getLogger(__name__)

MAX_SOCKETS = 253
"""Of one message (SCM_MAX_FD)."""
MAX_MESSAGE = 128 * 1024
RECONNECT_SECONDS = 0.05


class Handed(msgspec.Struct, frozen=True):
    """Sockets to serve under `id`, with what the giver says about them. The receiver closes them when it is done."""

    id: str
    facts: Mapping[str, Any]
    sockets: tuple[socket.socket, ...]


class Changed(msgspec.Struct, frozen=True):
    """The giver's facts about `id` have changed to these."""

    id: str
    facts: Mapping[str, Any]


class Withdrawn(msgspec.Struct, frozen=True):
    """`id` is served no more."""

    id: str


class Complete(msgspec.Struct, frozen=True):
    """All that existed at connection has been handed over: `ids`. Sockets served before and missing have gone."""

    ids: frozenset[str]


class _Taker(msgspec.Struct):
    connection: socket.socket
    role: str = ""
    queue: deque[tuple[bytes, tuple[socket.socket, ...]]] = msgspec.field(default_factory=deque)
    writing: bool = False


class Giver:
    """The giving end, listening at `path`. One event loop; `start` before anything else."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._complete = True
        self._held: dict[str, dict[str, Handed]] = {}
        self._takers: dict[int, _Taker] = {}
        self._lingers: dict[tuple[str, str], float] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)

    async def start(self, *, complete: bool = True) -> None:
        """Raises OSError when the path cannot be bound.

        complete: False when sockets of before a crash are still to be added: until `completed` is called, servers keep
        serving what they were given by the giver before.
        """
        self._complete = complete
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._listener.bind(self._path)
        self._listener.listen(16)
        self._listen()

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def completed(self) -> None:
        """All that there was before has been added again."""
        if not self._complete:
            self._complete = True
            for taker in list(self._takers.values()):
                if taker.role:
                    self._send(taker, {"complete": True})

    def add(
        self, role: str, id_: str, sockets: Sequence[socket.socket], facts: Mapping[str, Any] | None = None
    ) -> None:
        """Gives `sockets` to the server of `role`, now and after each of its restarts, and owns them: `remove` closes.

        Raises ValueError for more than MAX_SOCKETS sockets.
        """
        if len(sockets) > MAX_SOCKETS:
            raise ValueError(f"{id_}: at most {MAX_SOCKETS} sockets can be handed over together, not {len(sockets)}")
        self.remove(role, id_)
        handed = Handed(id_, dict(facts or {}), tuple(sockets))
        self._held.setdefault(role, {})[id_] = handed
        for taker in list(self._takers.values()):
            if taker.role == role:
                self._send(taker, _adding(handed), handed.sockets)

    def change(self, role: str, id_: str, facts: Mapping[str, Any]) -> None:
        """Says something new about sockets that were given. Nothing happens for an unknown id."""
        handed = self._held.get(role, {}).get(id_)
        if handed is None:
            return
        self._held[role][id_] = replace(handed, facts=dict(facts))
        for taker in list(self._takers.values()):
            if taker.role == role:
                self._send(taker, {"change": id_, "facts": dict(facts)})

    def remove(self, role: str, id_: str) -> None:
        """Closes this end's copies and tells the server. Nothing happens for an unknown id."""
        handed = self._held.get(role, {}).pop(id_, None)
        if handed is None:
            return
        self._lingers.pop((role, id_), None)
        for taker in list(self._takers.values()):
            if taker.role == role:
                # Messages that have not left must not be sent with descriptors that are closed now.
                taker.queue = deque(item for item in taker.queue if item[1] is not handed.sockets)
                self._send(taker, {"remove": id_})
        for held in handed.sockets:
            held.close()

    def linger(self, role: str, id_: str) -> float:
        """Seconds that the server of `id_` wants to go on once its pod ends."""
        return self._lingers.get((role, id_), 0.0)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._listener.close()
        for taker in list(self._takers.values()):
            self._drop(taker)
        for of_role in self._held.values():
            for handed in of_role.values():
                for held in handed.sockets:
                    held.close()
        self._held.clear()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptor is free for now, and the listener stays readable
            log.warning("%s: %s", self._path, error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(RECONNECT_SECONDS, self._listen)
            return
        if not is_neighbour(connection):
            connection.close()
            return
        connection.setblocking(False)
        taker = self._takers[connection.fileno()] = _Taker(connection)
        asyncio.get_running_loop().add_reader(connection, self._hear, taker)

    def _hear(self, taker: _Taker) -> None:
        try:
            message = taker.connection.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._drop(taker)
            return
        try:
            said = json.loads(message)
            if "linger" in said:
                self._lingers[taker.role, said["linger"]] = float(said["seconds"])
                return
            taker.role = str(said["serve"])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s: a message that cannot be understood: %r", self._path, error)
            self._drop(taker)
            return
        for handed in self._held.get(taker.role, {}).values():
            self._send(taker, _adding(handed), handed.sockets)
        if self._complete:
            self._send(taker, {"complete": True})

    def _send(self, taker: _Taker, message: Mapping[str, Any], sockets: tuple[socket.socket, ...] = ()) -> None:
        taker.queue.append((json.dumps(message).encode(), sockets))
        if not taker.writing:
            self._flush(taker)

    def _flush(self, taker: _Taker) -> None:
        loop = asyncio.get_running_loop()
        if taker.connection.fileno() < 0:
            return
        if taker.writing:
            loop.remove_writer(taker.connection)
            taker.writing = False
        while taker.queue:
            message, sockets = taker.queue[0]
            try:
                socket.send_fds(taker.connection, [message], [held.fileno() for held in sockets])
            except BlockingIOError:
                taker.writing = True
                loop.add_writer(taker.connection, self._flush, taker)
                return
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:  # Too many descriptors on their way: wait until some are taken.
                    loop.call_later(RECONNECT_SECONDS, self._flush, taker)
                    return
                self._drop(taker)
                return
            taker.queue.popleft()

    def _drop(self, taker: _Taker) -> None:
        loop = asyncio.get_running_loop()
        self._takers.pop(taker.connection.fileno(), None)
        loop.remove_reader(taker.connection)
        loop.remove_writer(taker.connection)
        taker.connection.close()


def _adding(handed: Handed) -> dict[str, Any]:
    return {"add": handed.id, "facts": handed.facts}


class Wishes:
    """The taking end's wishes for the sockets that it serves, also for a giver that comes later."""

    def __init__(self) -> None:
        self._lingers: dict[str, float] = {}
        self._connection: socket.socket | None = None

    def linger(self, id_: str, seconds: float) -> None:
        """For how long `id_` wants to go on once its pod ends."""
        self._lingers[id_] = seconds
        self._say(id_)

    def forget(self, id_: str) -> None:
        self._lingers.pop(id_, None)

    def speak_to(self, connection: socket.socket | None) -> None:
        """Says all of it, and what comes, on `connection`; None: to nobody for now."""
        self._connection = connection
        for id_ in self._lingers:
            self._say(id_)

    def _say(self, id_: str) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(json.dumps({"linger": id_, "seconds": self._lingers[id_]}).encode())


async def take(
    path: str, role: str, wishes: Wishes | None = None
) -> AsyncIterator[Handed | Changed | Withdrawn | Complete]:
    """The taking end: what there is to serve for `role`. Never ends; connects again whenever the giver is gone.

    After a reconnection every id comes again with new descriptors of the same sockets, to put in place of the old.
    """
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as connection:
            try:
                await loop.sock_connect(connection, path)
                await loop.sock_sendall(connection, json.dumps({"serve": role}).encode())
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            readable = asyncio.Event()
            loop.add_reader(connection, readable.set)
            given: set[str] = set()
            if wishes is not None:
                wishes.speak_to(connection)
            try:
                while True:
                    await readable.wait()
                    try:
                        event = _receive(connection, given)
                    except BlockingIOError:
                        readable.clear()
                        continue
                    if event is None:
                        break
                    yield event
            except OSError as error:
                log.debug("%s: %s", path, error)
            finally:
                loop.remove_reader(connection)
                if wishes is not None:
                    wishes.speak_to(None)
        await asyncio.sleep(RECONNECT_SECONDS)


def _receive(connection: socket.socket, given: set[str]) -> Handed | Changed | Withdrawn | Complete | None:
    """One message; None at the end. given: ids of this connection so far. Raises BlockingIOError without a message."""
    room = socket.CMSG_SPACE(MAX_SOCKETS * array.array("i").itemsize)
    message, ancillary, _, _ = connection.recvmsg(MAX_MESSAGE, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    if not message:
        return None
    said = json.loads(message)
    if "add" in said:
        sockets = tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)
        for handed in sockets:
            handed.setblocking(False)
        given.add(said["add"])
        return Handed(said["add"], said["facts"], sockets)
    if "change" in said:
        return Changed(said["change"], said["facts"])
    if "remove" in said:
        given.discard(said["remove"])
        return Withdrawn(said["remove"])
    return Complete(frozenset(given))
