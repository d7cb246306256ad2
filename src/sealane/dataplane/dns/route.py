"""A server block at work: the plugins of a `Chain` with the table, the memory and the servers upstream they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.memory import Memory
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.autopath import Autopath, NamespaceOf
from sealane.dataplane.dns.plugins.chain import Chain
from sealane.dataplane.dns.plugins.errors import Errors
from sealane.dataplane.dns.plugins.forward import Forward
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.plugins.log import Log
from sealane.dataplane.dns.plugins.loop import Loop
from sealane.dataplane.dns.plugins.step import Step, covered, records
from sealane.dataplane.dns.plugins.transfer import Transfer
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Address, Dial, Unreachable, Upstream, here, parse_address
from sealane.network.names import Answer, Record
from sealane.network.names.zone import NO_DATA, NO_SUCH_NAME, NOT_OURS

TLS = "tls://"


@dataclass(frozen=True, slots=True)
class Outside:
    """The surroundings that a server block needs.

    servers: what a file in `forward` stands for, by its path. dial: how an address is asked. namespace_of: of the pod
    that has an address, "" for none. searches: the search path of the server itself. public: names that are answered
    in the place of the servers upstream (`public.PublicNames`).
    """

    servers: Callable[[str], Sequence[Address]] = lambda path: ()
    dial: Callable[[Address], Dial] = lambda address: here
    namespace_of: NamespaceOf = lambda address: ""
    searches: tuple[str, ...] = ()
    public: Callable[[str], Sequence[Record] | None] = lambda name: None


@dataclass(frozen=True, slots=True)
class Route:
    """The answers for the names of `zone` ("" is the root).

    table: the cluster's names, None without. kubernetes: which of them; None for all, others being asked upstream.
    upstreams: the first whose condition takes a name is asked; None takes all.
    """

    zone: str
    table: Table | None = None
    steps: tuple[Step, ...] = ()
    kubernetes: Kubernetes | None = None
    upstreams: tuple[tuple[Forward | None, Upstream], ...] = ()
    memory: Memory = field(default_factory=lambda: Memory(None, Metrics(), ("", "", "")))
    transfers: tuple[Transfer, ...] = ()
    logs: tuple[Log, ...] = ()
    errors: Errors | None = None
    loop: Loop | None = None
    public: Callable[[str], Sequence[Record] | None] = lambda name: None

    @property
    def label(self) -> str:
        """The zone with its final dot."""
        return f"{self.zone}."

    def step(self, query: wire.Query, start: int = 0) -> int | None:
        """Which of `steps`, from `start` on, has to do with `query` first; few have with a class that is not IN."""
        for at in range(start, len(self.steps)):
            one = self.steps[at]
            if (not query.refusal or one.every_class) and one.concerns(query):
                return at
        return None

    def direct(self, query: wire.Query) -> bool:
        """Whether no plugin stands between `query` and the cluster's names."""
        return query.type not in wire.TRANSFERS and self.step(query) is None

    def lookup(self, query: wire.Query) -> Answer:
        """The answer of the cluster's names; "not ours" is for servers upstream."""
        if self.table is None:
            return NOT_OURS
        if self.kubernetes is None:
            return self.table.lookup(query)
        if not covered(self.kubernetes.zones, query.name):
            return NOT_OURS
        answer = self.table.lookup(query)
        if answer.outcome in ("no such name", "not ours"):
            if query.name in self.kubernetes.zones:  # Such as in-addr.arpa, which no record is at.
                return NO_DATA
            return NOT_OURS if covered(self.kubernetes.fallthrough, query.name) else NO_SUCH_NAME
        return answer

    async def ask(self, query: wire.Query) -> bytes:
        """The answer of a server upstream, or the remembered one. Raises Unreachable."""
        held = self.public(query.name) if self.upstreams else None
        if held is not None:
            type_ = wire.TYPE_NAMES.get(query.type, "")
            return records(query, [record for record in held if type_ in (record.type, "ANY")])
        if self.loop is not None and self.loop.check(query):
            return await self._ask(query)
        return await self.memory.answer(query, self._ask)

    async def _ask(self, query: wire.Query) -> bytes:
        asked = [(forward, one) for forward, one in self.upstreams if forward is None or forward.takes(query.name)]
        if not asked:
            raise Unreachable("no DNS server upstream is configured", refused=True)
        for forward, upstream in asked[:-1]:
            response = await upstream.ask(query)
            if forward is None or response[3] & 0xF not in forward.onward:
                query.trail.append("forward")
                return response
        query.trail.append("forward")
        return await asked[-1][1].ask(query)

    def transferable(self, query: wire.Query) -> bool | None:
        """Whether the client may have the zone it asks for as a whole; None when no client may."""
        rule = max(
            (one for one in self.transfers if covered(one.zones, query.name)),
            key=lambda one: max(len(zone) for zone in one.zones),
            default=None,
        )
        return None if rule is None else rule.allows(query.client.address)

    def close(self, after: float = 0.0) -> None:
        """after: seconds until answers that are waited for are given up."""
        for closing in (self.memory.close, *(upstream.close for _, upstream in self.upstreams)):
            if after:
                asyncio.get_running_loop().call_later(after, closing)
            else:
                closing()


def route(chain: Chain, table: Table | None, outside: Outside, metrics: Metrics, server: str) -> Route:
    """`chain` put to work. server: how metrics call the server that it is of. Raises ValueError for a bad address."""
    upstreams = []
    for forward in chain.forwards:
        by_tls = [parse_address(to.removeprefix(TLS), 853) for to in forward.to if to.startswith(TLS)]
        servers = [
            server
            for to in forward.to
            if not to.startswith(TLS)
            for server in (outside.servers(to) if to.startswith("/") else [parse_address(to)])
        ]
        dialled = [(server, outside.dial(server)) for server in (*servers, *by_tls)]
        upstreams.append((forward, Upstream(dialled, forward.asking, metrics, by_tls)))
    zone = f"{chain.zone}."
    return Route(
        chain.zone,
        table,
        tuple(_placed(one, chain.kubernetes, table, outside) for one in chain.steps),
        chain.kubernetes,
        tuple(upstreams),
        Memory(chain.cache, metrics, (server, zone, "")),
        chain.transfers,
        chain.logs,
        chain.errors,
        Loop.of(chain.zone) if chain.loop and chain.forwards else None,
        outside.public,
    )


def _placed(step: Step, kubernetes: Kubernetes | None, table: Table | None, outside: Outside) -> Step:
    """`autopath @kubernetes` asks who its clients are, and leaves alone what has an answer as it is."""
    if not isinstance(step, Autopath) or step.searches is not None or table is None:
        return step

    def exists(query: wire.Query) -> bool:
        return table.lookup(query).outcome in ("answer", "no data")

    return replace(step, namespace_of=outside.namespace_of, outer=outside.searches, exists=exists)
