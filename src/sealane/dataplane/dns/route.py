"""A server block at work: the plugins of a `Chain` with the table and the servers upstream they need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.plugins.cache import Cache
from sealane.dataplane.dns.plugins.chain import Configuration
from sealane.dataplane.dns.plugins.forward import Forward
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.plugins.step import Step, covered
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Address, Upstream, parse_address
from sealane.network.names import Answer
from sealane.network.names.zone import NO_SUCH_NAME, NOT_OURS


@dataclass(frozen=True, slots=True)
class Route:
    """What answers for the names of `zone` ("" is the root).

    table: the cluster's names, None without. kubernetes: which of them; None for all, others being asked upstream.
    upstreams: the first whose condition takes a name is asked; None takes all.
    """

    zone: str
    table: Table | None = None
    steps: tuple[Step, ...] = ()
    kubernetes: Kubernetes | None = None
    upstreams: tuple[tuple[Forward | None, Upstream], ...] = ()

    def direct(self, query: wire.Query) -> bool:
        """Whether no plugin stands between `query` and the cluster's names."""
        return not any(step.concerns(query) for step in self.steps)

    def lookup(self, query: wire.Query) -> Answer:
        """What the cluster's names answer; "not ours" is for servers upstream."""
        if self.table is None:
            return NOT_OURS
        if self.kubernetes is None:
            return self.table.lookup(query)
        if not covered(self.kubernetes.zones, query.name):
            return NOT_OURS
        answer = self.table.lookup(query)
        if answer.outcome in ("no such name", "not ours"):
            return NOT_OURS if covered(self.kubernetes.fallthrough, query.name) else NO_SUCH_NAME
        return answer

    def upstream(self, name: str) -> Upstream:
        """Knows no server, and says so, when none is for `name`."""
        return next((one for forward, one in self.upstreams if forward is None or forward.takes(name)), _NOWHERE)

    def close(self, after: float = 0.0) -> None:
        """after: seconds until answers that are waited for are given up."""
        if self.table is not None:
            self.table.close()
        for _, upstream in self.upstreams:
            if after:
                asyncio.get_running_loop().call_later(after, upstream.close)
            else:
                upstream.close()


_NOWHERE = Upstream(())


def routes(
    configuration: Configuration, upstream: Sequence[Address], table: Callable[[Kubernetes], Table]
) -> tuple[Route, ...]:
    """upstream: what a file in `forward` stands for. table: makes the cluster's names as a plugin wants them.

    Raises ValueError for a bad address.
    """
    found = []
    for chain in configuration.chains:
        upstreams = []
        for forward in chain.forwards:
            servers = [server for to in forward.to for server in (upstream if "/" in to else [parse_address(to)])]
            cache = chain.cache or Cache(0, 0)
            made = Upstream(servers, cache.success, cache.denial, forward.policy, forward.tcp)
            upstreams.append((forward, made))
        names = table(chain.kubernetes) if chain.kubernetes is not None else None
        found.append(Route(chain.zone, names, chain.steps, chain.kubernetes, tuple(upstreams)))
    return tuple(found)
