"""Questions about names that are not the cluster's: asked of servers upstream and remembered for a while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sealane.dataplane.dns import wire
from sealane.network.names import Resolver

TRY_SECONDS = 2.0
ROUNDS = 2
MAX_REMEMBERED = 10_000
MAX_SECONDS = 30
"""An answer is remembered no longer than this unless told otherwise, as with `cache 30` in kubeadm's Corefile."""

Address = tuple[str, int]


class Unreachable(Exception):
    """No server upstream answered. refused: none is configured."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's message. ttls: offset of each record's TTL; opt: where the OPT record begins when it is the last."""

    message: bytes
    ttls: tuple[int, ...]
    opt: int | None
    expires: float
    since: float


def parse_upstream(text: str, resolv_conf: str = "/etc/resolv.conf") -> tuple[Address, ...]:
    """Servers named by the user.

    "host": those of the host's resolv.conf (none when there is no such file); "none": none; else addresses separated by
    commas, each with an optional port: "192.0.2.53,192.0.2.54:5353,[2001:db8::53]:53". Raises ValueError.
    """
    if text == "none":
        return ()
    if text == "host":
        try:
            content = Path(resolv_conf).read_text()
        except OSError:
            return ()
        return tuple((address, 53) for address in Resolver.parse(content).nameservers)
    return tuple(parse_address(part.strip()) for part in text.split(","))


def parse_address(text: str) -> Address:
    """ "192.0.2.53:5353"; the port is 53 if not given. Raises ValueError."""
    host, port = text, "53"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        return host, int(port)
    except (OSError, ValueError):
        raise ValueError(
            f'{text!r} is no DNS server: expected "host", "none" or an address with an optional port'
        ) from None


class Upstream:
    """Asks `servers` in turn, the last good one first. Equal questions in flight are asked once.

    success, denial: the longest time in seconds that an answer, or that there is none, is remembered.
    policy: "sequential" begins with the last good one; "random" and "round_robin" spread. tcp: never asks by UDP.
    """

    def __init__(
        self,
        servers: Sequence[Address],
        success: int = MAX_SECONDS,
        denial: int = MAX_SECONDS,
        policy: str = "sequential",
        tcp: bool = False,
    ) -> None:
        self._success, self._denial, self._policy, self._tcp = success, denial, policy, tcp
        self._servers = [_Server(address) for address in servers]
        self._remembered: dict[bytes, Reply] = {}
        self._asking: dict[bytes, asyncio.Task[Reply]] = {}

    async def ask(self, query: wire.Query) -> bytes:
        """The whole answer to `query`, as long as it may be (the caller truncates). Raises Unreachable."""
        now = asyncio.get_running_loop().time()
        key = query.question[:-4].lower() + query.question[-4:] + bytes([query.dnssec_ok, query.flags & wire.CD > 0])
        reply = self._remembered.get(key)
        if reply is None or reply.expires <= now:
            reply = await self._shared(key, query)
        return _fit(reply, query, int(asyncio.get_running_loop().time() - reply.since))

    def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        for server in self._servers:
            server.close()

    async def _shared(self, key: bytes, query: wire.Query) -> Reply:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(query))
            task.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(task)

    def _finished(self, key: bytes, task: asyncio.Task[Reply]) -> None:
        del self._asking[key]
        if task.cancelled() or task.exception() is not None:
            return
        reply = task.result()
        if reply.expires > reply.since:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._forget(reply.since)
            self._remembered[key] = reply

    def _forget(self, now: float) -> None:
        self._remembered = {key: reply for key, reply in self._remembered.items() if reply.expires > now}
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()

    async def _ask(self, query: wire.Query) -> Reply:
        if not self._servers:
            raise Unreachable("no DNS server upstream is configured", refused=True)
        flags = wire.RD | query.flags & wire.CD
        opt = b"\0" + struct.pack("!HHIH", wire.OPT, wire.OWN_SIZE, 0x8000 if query.dnssec_ok else 0, 0)
        message = struct.pack("!5H", flags, 1, 0, 0, 1) + query.question + opt
        problem = "no answer"
        if self._policy == "round_robin":
            self._servers = [*self._servers[1:], self._servers[0]]
        order = random.sample(self._servers, len(self._servers)) if self._policy == "random" else self._servers
        for server in [server for _ in range(ROUNDS) for server in order]:
            try:
                answer = await asyncio.wait_for(server.ask(message, query.question, self._tcp), TRY_SECONDS)
                reply = _read(answer, asyncio.get_running_loop().time(), self._success, self._denial)
            except (OSError, TimeoutError, wire.Malformed) as error:
                problem = f"{server.address[0]}: {error or 'no answer'}"
                if self._servers[0] is server:
                    self._servers = [*self._servers[1:], server]
                continue
            return reply
        raise Unreachable(problem)


class _Server:
    """One server: a connected UDP socket for all questions, a TCP connection for each answer that did not fit."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        self._waiting: dict[bytes, tuple[bytes, asyncio.Future[bytes]]] = {}

    async def ask(self, message: bytes, question: bytes, tcp: bool = False) -> bytes:
        """The server's answer to `message` (which lacks its ID). Raises OSError."""
        if tcp:
            return await self._ask_tcp(message, question)
        answer = await self._ask_udp(message, question)
        if struct.unpack_from("!H", answer, 2)[0] & wire.TC:
            answer = await self._ask_tcp(message, question)
        return answer

    async def _ask_udp(self, message: bytes, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        if self._socket is None:
            family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self._socket.connect(self.address)
            loop.add_reader(self._socket, self._receive)
        id_ = os.urandom(2)
        while id_ in self._waiting:
            id_ = os.urandom(2)
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[id_] = question.lower(), future
        try:
            self._socket.send(id_ + message)
            return await future
        finally:
            del self._waiting[id_]

    def _receive(self) -> None:
        assert self._socket is not None
        for _ in range(64):
            try:
                answer = self._socket.recv(65535)
            except BlockingIOError:
                return
            except OSError as error:  # Nobody listens there: all who wait may as well know now.
                for _, future in self._waiting.values():
                    if not future.done():
                        future.set_exception(error)
                return
            waiting = self._waiting.get(answer[:2])
            if waiting is not None and not waiting[1].done() and _answers(answer, waiting[0]):
                waiting[1].set_result(answer)

    async def _ask_tcp(self, message: bytes, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            id_ = os.urandom(2)
            writer.write(struct.pack("!H", len(message) + 2) + id_ + message)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("connection closed before the answer") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if answer[:2] != id_ or not _answers(answer, question.lower()):
            raise ConnectionError("answer to another question")
        return answer

    def close(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _answers(message: bytes, question: bytes) -> bool:
    end = wire.QUESTION + len(question)
    return len(message) >= end and message[2] & 0x80 > 0 and message[wire.QUESTION : end].lower() == question


def _read(message: bytes, now: float, success: int, denial: int) -> Reply:
    """Finds the TTLs, and how long the answer may be remembered. Raises Malformed."""
    flags, questions, answers, authorities, additionals = struct.unpack_from("!5H", message, 2)
    offset = wire.QUESTION
    for _ in range(questions):
        offset = wire.read_name(message, offset)[1] + 4
    ttls: list[int] = []
    seconds = success if answers else denial
    opt = None
    for index in range(answers + authorities + additionals):
        start = offset
        _, offset = wire.read_name(message, offset)
        if offset + 10 > len(message):
            raise wire.Malformed("record cut short")
        type_, _, ttl, length = struct.unpack_from("!HHIH", message, offset)
        if type_ == wire.OPT:
            opt = start if index == answers + authorities + additionals - 1 else None
        else:
            ttls.append(offset + 4)
            seconds = min(seconds, ttl)
            if type_ == wire.TYPES["SOA"] and not answers and length >= 4:
                seconds = min(seconds, struct.unpack_from("!I", message, offset + 10 + length - 4)[0])
        offset += 10 + length
        if offset > len(message):
            raise wire.Malformed("record cut short")
    keep = flags & 0xF in (wire.NOERROR, wire.NXDOMAIN) and ttls and not flags & wire.TC
    return Reply(message, tuple(ttls), opt, now + seconds if keep else now, now)


def _fit(reply: Reply, query: wire.Query, age: int) -> bytes:
    """The reply as `query` wants it: its ID and case, TTLs grown older, OPT only for those who sent one."""
    message = bytearray(reply.message)
    message[:2] = query.id
    message[wire.QUESTION : wire.QUESTION + len(query.question)] = query.question
    if age > 0:
        for offset in reply.ttls:
            (ttl,) = struct.unpack_from("!I", message, offset)
            struct.pack_into("!I", message, offset, max(0, ttl - age))
    if query.udp_size is None and reply.opt is not None:
        del message[reply.opt :]
        struct.pack_into("!H", message, 10, struct.unpack_from("!H", message, 10)[0] - 1)
    return bytes(message)


def truncate(message: bytes, query: wire.Query) -> bytes:
    """`message` cut to the query's UDP limit: only header and question, TC set, when it is longer."""
    if len(message) <= query.limit:
        return message
    flags = struct.unpack_from("!H", message, 2)[0] | wire.TC
    return query.id + struct.pack("!5H", flags, 1, 0, 0, 0) + query.question
