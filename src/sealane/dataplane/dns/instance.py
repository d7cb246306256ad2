"""One CoreDNS: a container's servers, its /health, /ready and /metrics, as its Corefile says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from sealane.dataplane.dns import http
from sealane.dataplane.dns.journal import Journal
from sealane.dataplane.dns.metrics import VERSION, Metrics
from sealane.dataplane.dns.plugins.chain import Chain
from sealane.dataplane.dns.plugins.hosts import Hosts
from sealane.dataplane.dns.plugins.server import DNS_PORT, Endpoint
from sealane.dataplane.dns.program import Program
from sealane.dataplane.dns.route import Outside, Route, route
from sealane.dataplane.dns.server import Server, label
from sealane.dataplane.linux.libc import disconnect

log = logging.getLogger(__name__)

Listener = tuple[str, int]
"""Address ("" for all) and port."""
Open = Callable[[str, int, Sequence[str]], list[socket.socket]]
"""Makes sockets for an address, a port and protocols ("UDP", "TCP") in the container's network. Raises OSError."""
Tell = Callable[[str, str, str], None]
"""Writes an Event about the container's pod: its type, reason and message."""


class Instance:
    """name: under which it is known. handed: sockets for port 53 of all addresses, made before a Corefile was known.

    open_: makes all others. outside: the place of servers upstream. unready: plugins that are not ready yet, by name.
    linger: is told for how many seconds it wants to go on once its pod ends (`health` with `lameduck`).
    """

    def __init__(
        self,
        name: str,
        handed: Sequence[socket.socket],
        open_: Open,
        outside: Outside,
        metrics: Metrics,
        journal: Journal,
        tell: Tell,
        unready: Callable[[], Sequence[str]] = tuple,
        linger: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.id = name
        self._handed = tuple(handed)
        self._open = open_
        self._outside = outside
        self._metrics = metrics
        self._journal = journal
        self._tell = tell
        self._unready = unready
        self._linger = linger
        self._program: Program | None = None
        self._servers: dict[Listener, Server] = {}
        self._sockets: dict[Listener, list[socket.socket]] = {}
        self._pages: dict[Endpoint, tuple[dict[str, http.Page], list[asyncio.Server]]] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, program: Program, failed: int = 0) -> None:
        """Answers as `program` says from now on. failed: how many Corefiles could not be used before."""
        first, self._program = self._program is None, program
        wanted: dict[Listener, list[Chain]] = {}
        for chain in program.configuration.chains:
            for address in chain.bind or ("",):
                wanted.setdefault((address, chain.port), []).append(chain)
        for listener in self._servers.keys() - wanted.keys():
            self._end(listener)
        for listener, chains in wanted.items():
            routes = [self._route(program, chain, listener) for chain in chains]
            server = self._servers.get(listener)
            if server is not None:
                server.configure(routes)
            else:
                self._listen(listener, routes)
            for one in routes:
                self._probe(self._servers.get(listener), one)
        if ("", DNS_PORT) not in wanted:
            _silence(self._handed)
        self._linger(program.configuration.lameduck)
        self._say_how(program, wanted, failed, first)
        self._task(self._serve_pages(program))

    def refused(self, message: str) -> None:
        """A changed Corefile could not be used."""
        self._metrics.add("coredns_reload_failed_total")
        self._journal.add(f"[ERROR] plugin/reload: {message}")

    async def close(self) -> None:
        """Ends all but the sockets that were handed over: those are closed too, but another may go on with them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, servers in self._pages.values():
            for one in servers:
                one.close()
        for listener in list(self._servers):
            server = self._servers[listener]
            self._end(listener)
            await server.close()
        for sock in self._handed:
            sock.close()
        self._journal.write()

    def _route(self, program: Program, chain: Chain, listener: Listener) -> Route:
        return route(chain, program.table(chain), self._outside, self._metrics, label(*listener))

    def _listen(self, listener: Listener, routes: Sequence[Route]) -> None:
        address, port = listener
        server = Server(*routes, label=label(address, port), metrics=self._metrics, journal=self._journal)
        if listener == ("", DNS_PORT) and self._handed:
            _speak(self._handed)
            sockets = list(self._handed)
        else:
            try:
                sockets = self._open(address, port, ("UDP", "TCP"))
            except OSError as error:
                where = f"{address or '*'}:{port}"
                self._journal.add(f"[ERROR] listen {where}: {error.strerror or error}")
                self._tell("Warning", "FailedToListen", f"DNS on {where}: {error.strerror or error}")
                return
            self._sockets[listener] = sockets
        self._servers[listener] = server
        server.serve(sockets)

    def _end(self, listener: Listener) -> None:
        server = self._servers.pop(listener)
        sockets = self._sockets.pop(listener, None)
        server.release(sockets if sockets is not None else self._handed)
        for sock in sockets or ():
            sock.close()
        server.configure(())

    def _probe(self, server: Server | None, one: Route) -> None:
        """Sends the question of the plugin `loop`, unless all that are asked are outside the cluster."""
        if server is not None and one.loop is not None and any(upstream.inside for _, upstream in one.upstreams):
            self._task(self._look_for_loop(server, one))

    async def _look_for_loop(self, server: Server, one: Route) -> None:
        assert one.loop is not None
        await server.answer(one.loop.question)
        if one.loop.found:
            see = "see https://coredns.io/plugins/loop#troubleshooting"
            message = f'Loop detected for zone "{one.label}", {see}. Query: "HINFO {one.loop.name}."'
            self._journal.add(f"[FATAL] plugin/loop: {message}")
            self._tell("Warning", "LoopDetected", f"{message}: nothing is forwarded for it any more")

    # What is said about it

    def _say_how(self, program: Program, wanted: Mapping[Listener, Sequence[Chain]], failed: int, first: bool) -> None:
        self._metrics.clear("coredns_plugin_enabled")
        self._metrics.clear("coredns_reload_version_info")
        for listener, chains in wanted.items():
            for chain in chains:
                for name in chain.plugins:
                    self._metrics.set("coredns_plugin_enabled", label(*listener), f"{chain.zone}.", "", name, number=1)
                for step in chain.steps:
                    if isinstance(step, Hosts):
                        entries = sum(len(records) for records in step.records.values())
                        self._metrics.set("coredns_hosts_entries", "", number=entries)
        if program.configuration.reload:
            self._metrics.set("coredns_reload_version_info", "sha512", program.digest, number=1)
            self._metrics.add("coredns_reload_failed_total", number=0)
        if first:
            for address, port in wanted:
                zones = ", ".join(f"{chain.zone}." for chain in wanted[address, port])
                self._journal.add(f"{zones}:{port}" + (f" on {address}" if address else ""))
            self._journal.add(f"[INFO] plugin/reload: Running configuration SHA512 = {program.digest}")
            self._journal.add(f"CoreDNS-{VERSION}")
        else:
            self._journal.add("[INFO] Reloading complete")

    async def _serve_pages(self, program: Program) -> None:
        """Opens what is new of /health, /ready and /metrics, and closes what is not wanted any more."""
        pages: dict[Endpoint, dict[str, http.Page]] = {}
        configuration = program.configuration
        for endpoints, path, page in (
            (configuration.health, "/health", self._health),
            (configuration.ready, "/ready", self._ready),
            (configuration.metrics, "/metrics", self._measures),
        ):
            for endpoint in endpoints:
                pages.setdefault(endpoint, {})[path] = page
        async with self._opening:
            for endpoint, (served, servers) in list(self._pages.items()):
                if pages.get(endpoint) != served:
                    del self._pages[endpoint]
                    for server in servers:
                        server.close()
            for endpoint, served in pages.items():
                if endpoint not in self._pages:
                    await self._open_page(endpoint, served)

    async def _open_page(self, endpoint: Endpoint, served: dict[str, http.Page]) -> None:
        try:
            sockets = self._open(endpoint.address, endpoint.port, ("TCP",))
        except OSError as error:
            where = f"{endpoint.address or '*'}:{endpoint.port}"
            self._tell("Warning", "FailedToListen", f"{', '.join(served)} on {where}: {error.strerror or error}")
            return
        self._pages[endpoint] = served, [await http.serve(sock, served) for sock in sockets]

    def _health(self) -> tuple[int, str]:
        return 200, "OK"

    def _ready(self) -> tuple[int, str]:
        waiting = self._unready()
        return (503, ",".join(waiting)) if waiting else (200, "OK")

    def _measures(self) -> tuple[int, str]:
        for server in self._servers.values():
            for one in server.routes:
                one.memory.measure()
        started = time.perf_counter()
        self._health()  # CoreDNS asks itself each second; here the question is asked when the answer is wanted.
        self._metrics.observe("coredns_health_request_duration_seconds", value=time.perf_counter() - started)
        self._metrics.add("coredns_health_request_failures_total", number=0)
        return 200, self._metrics.text()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _silence(sockets: Sequence[socket.socket]) -> None:
    """No server answers there: the kernel refuses what comes, though another process still holds the sockets."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            if sock.type == socket.SOCK_DGRAM:  # Hears only its peer, and it has none.
                sock.connect(("127.0.0.1" if sock.family == socket.AF_INET else "::1", 9))
            else:
                sock.shutdown(socket.SHUT_RD)  # Listens no more.


def _speak(sockets: Sequence[socket.socket]) -> None:
    """Undoes `_silence`."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            if sock.type == socket.SOCK_STREAM:
                sock.listen(1024)
            elif sock.getpeername():  # An error for one that was not silenced.
                disconnect(sock)
