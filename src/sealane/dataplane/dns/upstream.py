"""Questions about names that are not the cluster's: asked of servers upstream, as the plugin `forward` says.

Source of the rules (who is asked, when a server counts as down): https://coredns.io/plugins/forward/.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.metrics import Metrics, rcode_label
from sealane.network.names import Resolver

if TYPE_CHECKING:
    import ssl

TRY_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
"""After which a question is given up, however many servers there still are."""

Address = tuple[str, int]
Dial = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]
"""Makes a socket, not blocking, in the network from which a server is asked."""


class Unreachable(Exception):
    """No server upstream answered. refused: none is configured, or it has enough to do already."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Asking:
    """The way to ask servers. tcp: whether by TCP only; prefer_udp: by UDP also for clients that asked by TCP.

    max_fails: checks that have to fail until a server counts as down, 0 for never. check_seconds: between checks,
    which are questions for the name servers of `check_domain`. max_concurrent: questions at a time, 0 for any number.
    failfast: whether questions fail at once while all servers are down, in place of being tried with any.
    failover: response codes with which the next server is asked. server_name: the name in the certificates of servers
    asked by TLS (RFC 7858), "" for their address; authority: their authorities in PEM, "" for those that the host
    trusts.
    """

    policy: Literal["random", "round_robin", "sequential"] = "random"
    tcp: bool = False
    prefer_udp: bool = False
    max_fails: int = 2
    check_seconds: float = 0.5
    check_domain: str = ""
    check_recursion: bool = True
    max_concurrent: int = 0
    failfast: bool = False
    failover: frozenset[int] = frozenset()
    server_name: str = ""
    authority: str = ""


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


def parse_address(text: str, default: int = 53) -> Address:
    """ "192.0.2.53:5353"; the port is `default` if not given. Raises ValueError."""
    host, port = text, str(default)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or str(default)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        return host, int(port)
    except (OSError, ValueError):
        raise ValueError(
            f'{text!r} is no DNS server: expected "host", "none" or an address with an optional port'
        ) from None


def here(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket in the network namespace of this process."""
    return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


class Upstream:
    """Asks one of `servers`, and another when it does not answer. by_tls: those that are asked by TLS."""

    def __init__(
        self,
        servers: Sequence[tuple[Address, Dial]],
        asking: Asking = Asking(),
        metrics: Metrics | None = None,
        by_tls: Collection[Address] = (),
    ) -> None:
        self._asking = asking
        self._metrics = metrics or Metrics()
        context = _tls_context(asking.authority) if by_tls else None
        self._servers = [
            _Server(address, dial, asking, self._metrics, context if address in by_tls else None)
            for address, dial in servers
        ]
        self._turn = 0
        self._waiting = 0

    @property
    def inside(self) -> bool:
        """Whether one is asked from another network than the host's: then it may be this server itself."""
        return any(server.dial is not here for server in self._servers)

    async def ask(self, query: wire.Query) -> bytes:
        """A server's whole answer to the question of `query` under an ID of ours. Raises Unreachable."""
        if not self._servers:
            raise Unreachable("no DNS server upstream is configured", refused=True)
        if self._asking.max_concurrent and self._waiting >= self._asking.max_concurrent:
            self._metrics.add("coredns_forward_max_concurrent_rejects_total")
            raise Unreachable(f"concurrent queries exceeded maximum {self._asking.max_concurrent}", refused=True)
        self._waiting += 1
        try:
            return await self._ask(query)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _ask(self, query: wire.Query) -> bytes:
        flags = wire.RD | query.flags & wire.CD
        options = b"".join(struct.pack("!HH", code, len(data)) + data for code, data in query.options)
        do = 0x8000 if query.dnssec_ok else 0
        opt = b"\0" + struct.pack("!HHIH", wire.OPT, wire.OWN_SIZE, do, len(options)) + options
        message = struct.pack("!5H", flags, 1, 0, 0, 1) + query.question + opt
        tcp = self._asking.tcp or (query.client.protocol == "tcp" and not self._asking.prefer_udp)
        problem, end = "no answer", time.monotonic() + DEADLINE_SECONDS
        for server in self._order():
            if time.monotonic() >= end:
                break
            try:
                answer = await server.ask(message, query.question, tcp)
            except (OSError, TimeoutError) as error:
                problem = f"{server}: {error or 'i/o timeout'}"
                server.doubt()
                continue
            if answer[3] & 0xF in self._asking.failover:
                problem = f"{server}: {rcode_label(answer)}"
                continue
            return answer
        raise Unreachable(problem)

    def _order(self) -> list[_Server]:
        """Whom to ask one after another: those that are up, twice over, or when none is, any."""
        servers = self._servers
        if self._asking.policy == "random":
            servers = random.sample(servers, len(servers))
        elif self._asking.policy == "round_robin":
            self._turn = (self._turn + 1) % len(servers)
            servers = servers[self._turn :] + servers[: self._turn]
        up = [server for server in servers if not server.down]
        if up:
            return up * 2
        self._metrics.add("coredns_forward_healthcheck_broken_total")
        if self._asking.failfast:
            raise Unreachable("all upstreams are unhealthy")
        return [random.choice(servers)]


@dataclass(eq=False, slots=True)
class _Server:
    """One server: a connected UDP socket for all questions, a TCP connection for each answer that did not fit."""

    address: Address
    dial: Dial
    asking: Asking
    metrics: Metrics
    tls: ssl.SSLContext | None = None
    fails: int = 0
    _socket: socket.socket | None = None
    _checking: asyncio.Task[None] | None = None
    _waiting: dict[bytes, tuple[bytes, asyncio.Future[bytes]]] = field(default_factory=dict)

    def __str__(self) -> str:
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def down(self) -> bool:
        return self.fails > self.asking.max_fails > 0

    async def ask(self, message: bytes, question: bytes, tcp: bool) -> bytes:
        """The server's answer to `message` (which lacks its ID). Raises OSError, TimeoutError."""
        started = time.perf_counter()
        self.metrics.add("coredns_forward_requests_total", str(self))
        answer = await asyncio.wait_for(self._ask(message, question, tcp), TRY_SECONDS)
        rcode = rcode_label(answer)
        self.metrics.add("coredns_forward_responses_total", str(self), rcode)
        took = time.perf_counter() - started
        self.metrics.observe("coredns_proxy_request_duration_seconds", "forward", str(self), rcode, value=took)
        return answer

    def doubt(self) -> None:
        """It did not answer: it is asked now and then until it does, and counts as down once that failed often."""
        if self.asking.max_fails and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check())

    async def _check(self) -> None:
        flags = wire.RD if self.asking.check_recursion else 0
        question = wire.name_bytes(self.asking.check_domain) + struct.pack("!HH", wire.TYPES["NS"], wire.IN)
        message = struct.pack("!5H", flags, 1, 0, 0, 0) + question
        while True:
            try:
                await asyncio.wait_for(self._ask(message, question, self.asking.tcp), TRY_SECONDS)
            except (OSError, TimeoutError):
                self.fails += 1
                self.metrics.add("coredns_proxy_healthcheck_failures_total", "forward", str(self))
            else:  # Any answer is one.
                self.fails = 0
                return
            await asyncio.sleep(self.asking.check_seconds)

    async def _ask(self, message: bytes, question: bytes, tcp: bool) -> bytes:
        tcp = tcp or self.tls is not None
        answer = b"" if tcp else await self._ask_udp(message, question)
        if tcp or struct.unpack_from("!H", answer, 2)[0] & wire.TC:
            answer = await self._ask_tcp(message, question)
        return answer

    async def _ask_udp(self, message: bytes, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        if self._socket is None:
            self._socket = self.dial(self._family, socket.SOCK_DGRAM)
            self._socket.connect(self.address)
            loop.add_reader(self._socket, self._receive)
        id_ = os.urandom(2)
        while id_ in self._waiting:
            id_ = os.urandom(2)
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[id_] = question.lower(), future
        try:
            try:
                self._socket.send(id_ + message)
            except OSError as error:  # of a question before
                self._give_up(error)
            return await future
        finally:
            del self._waiting[id_]

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET

    def _receive(self) -> None:
        assert self._socket is not None
        for _ in range(64):
            try:
                answer = self._socket.recv(65535)
            except BlockingIOError:
                return
            except OSError as error:
                self._give_up(error)
                return
            waiting = self._waiting.get(answer[:2])
            if waiting is not None and not waiting[1].done() and _answers(answer, waiting[0]):
                waiting[1].set_result(answer)

    async def _ask_tcp(self, message: bytes, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        sock = self.dial(self._family, socket.SOCK_STREAM)
        try:
            await loop.sock_connect(sock, self.address)
        except BaseException:
            sock.close()
            raise
        name = (self.asking.server_name or self.address[0]) if self.tls is not None else None
        reader, writer = await asyncio.open_connection(sock=sock, ssl=self.tls, server_hostname=name)
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
        if self._checking is not None:
            self._checking.cancel()
        self._hang_up()

    def _give_up(self, error: OSError) -> None:
        """No server listens there: all waiting questions may as well know now.

        The next question has a socket of its own: libuv, and so uvloop, reads no more from a socket that had an error
        (uv__poll_io: POLLERR stops the handle).
        """
        self._hang_up()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(error)

    def _hang_up(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None


def _tls_context(authority: str) -> ssl.SSLContext:
    import ssl  # Only questions over TLS need it.

    return ssl.create_default_context(cadata=authority or None)


def _answers(message: bytes, question: bytes) -> bool:
    end = wire.QUESTION + len(question)
    return len(message) >= end and message[2] & 0x80 > 0 and message[wire.QUESTION : end].lower() == question


def truncate(message: bytes, query: wire.Query) -> bytes:
    """`message` cut to the query's UDP limit: only header and question, TC set, when it is longer."""
    if len(message) <= query.limit:
        return message
    flags = struct.unpack_from("!H", message, 2)[0] | wire.TC
    return query.id + struct.pack("!5H", flags, 1, 0, 0, 0) + query.question
