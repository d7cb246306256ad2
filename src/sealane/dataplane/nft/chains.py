"""The chains that choose an endpoint, named after what they do: "vip4-internal-3" draws one of three.

Nearly all are shared by every Service with as many endpoints. None of them names a map that grows with the cluster: for
each chain that does, the kernel looks at all elements of the map when the chain is made (nf_tables_bind_set), so those
are a fixed few that the others go to. Only Services with session affinity have chains of their
own, and a map of their clients each: libnftables up to 1.0 cannot update a map whose key is longer than an IPv6
address, so client and Service do not fit into one key.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Literal

import msgspec

from sealane.dataplane.nft.ledger import Declaration, Draft
from sealane.network.services import Family

TABLE = "sealane-services"
MASQUERADE_MARK = 0x4000
LOCAL_OFFSET = 1 << 16
"""Numbers of a frontend's node-local endpoints start here; those of all its endpoints start at 0."""

MARK = f"meta mark set meta mark | {MASQUERADE_MARK:#x}"

Purpose = Literal["internal", "external", "local", "all"]
"""internal: masquerade what no pod sent. external: masquerade. local: pods and the node itself take the shortcut to all
endpoints, others get the local ones. all: that shortcut."""

Entry = Literal["vips", "shortcuts"]

_CLIENTS = {
    4: Declaration("map", "type ipv4_addr : mark; flags dynamic, timeout; size 65536;"),
    6: Declaration("map", "type ipv6_addr : mark; flags dynamic, timeout; size 65536;"),
}

_CHAINS: dict[Entry, str] = {"vips": "chains", "shortcuts": "shortcut-chains"}  # apart: a chain may not lead to itself
_PURPOSES: tuple[Purpose, ...] = ("internal", "external", "local", "all")

ScopeKind = Literal["vip", "nodeport"]


class Affinity(msgspec.Struct, frozen=True):
    """seconds: how long a client is remembered. digest: of the Service port."""

    seconds: int
    digest: str

    def clients(self, family: Family, purpose: Purpose) -> str:
        """The map from client address to the mark of its endpoint.

        Clients that are given local endpoints only are remembered apart: what they were given under the policy Cluster
        may be far away, where nothing would lead the answer back.
        """
        return f"clients{family}-{'local-' if purpose == 'local' else ''}{self.digest}"


def key(kind: ScopeKind, family: Family) -> str:
    """The expression that frontends are looked up by. NodePorts: without the address, guarded by `fib daddr type`."""
    port = "meta l4proto . th dport"
    return port if kind == "nodeport" else f"{'ip' if family == 4 else 'ip6'} daddr . {port}"


def map_name(kind: ScopeKind, name: str, family: Family) -> str:
    return f"{name}{family}" if kind == "vip" else f"nodeport-{name}{family}"


def follow(kind: ScopeKind, family: Family, by: Entry, *, own: bool) -> str:
    """The expression that goes to a frontend's chain, if there is one. own: of Services with session affinity."""
    if own:
        return f"{key(kind, family)} vmap @{map_name(kind, f'own-{by}', family)}"
    number = f"ct mark set {key(kind, family)} map @{map_name(kind, by, family)}"
    return f"{number} ct mark vmap @{map_name(kind, _CHAINS[by], family)}"


_SHORTCUT = {False: "shortcut", True: "own-shortcut"}


def chain_name(kind: ScopeKind, family: Family, name: str) -> str:
    return f"{kind}{family}-{name}"


def fixed_chains(kind: ScopeKind, family: Family) -> dict[str, str]:
    """The chains that name a growing map, each with its one rule. A lookup that finds nothing returns."""
    drawn = f"{key(kind, family)} . ct mark"
    to = f"dnat {'ip' if family == 4 else 'ip6'} to {drawn} map"
    rules = {
        "to-drawn": f"{to} @{map_name(kind, 'endpoints', family)}",
        "to-marked": f"{to} @{map_name(kind, 'sticky', family)}",
        "mark-drawn": f"ct mark set {drawn} map @{map_name(kind, 'drawn', family)}",
        **{_SHORTCUT[own]: follow(kind, family, "shortcuts", own=own) for own in (False, True)},
    }
    return {chain_name(kind, family, name): rule for name, rule in rules.items()}


class Scope(msgspec.Struct, frozen=True):
    """Maps and chains of one kind of frontend, one family and, with affinity, one Service port."""

    kind: ScopeKind
    family: Family
    affinity: Affinity | None

    @property
    def _ip(self) -> str:
        return "ip" if self.family == 4 else "ip6"

    def map(self, name: str) -> str:
        return f"{TABLE} {map_name(self.kind, name, self.family)}"

    def lead(self, frontend: str, by: Entry, purpose: Purpose, count: int, draft: Draft) -> None:
        """Adds what leads `frontend` to the chain that draws one of `count` endpoints for `purpose`, and that chain.

        The big map gives a number, and a small one the chain: a verdict that changes makes the kernel look for loops
        through every element of the map that holds it.
        """
        if self.affinity is None:
            number, name, rules = _shared(self.kind, self.family, purpose, count)
            draft.elements[f"{self.map(by)} {frontend}"] = number
            draft.shared[f"{self.map(_CHAINS[by])} {number}"] = f"goto {name}"
        else:
            name = f"{self.kind}{self.family}-{purpose}-{count}-{self.affinity.digest}"
            draft.elements[f"{self.map(f'own-{by}')} {frontend}"] = f"goto {name}"
            rules = self._rules(purpose, count)
            draft.sets[f"{TABLE} {self.affinity.clients(self.family, purpose)}"] = _CLIENTS[self.family]
        draft.chains[f"{TABLE} {name}"] = rules

    def _rules(self, purpose: Purpose, count: int) -> tuple[str, ...]:
        return *self._prepare(purpose), *(self._draw(purpose, count) if count else ())

    def _prepare(self, purpose: Purpose) -> list[str]:
        match purpose:
            case "internal":
                return [f"{self._ip} saddr != @pods{self.family} {MARK}"]
            case "external":
                return [MARK]
            case "local":
                shortcut = f"jump {chain_name(self.kind, self.family, _SHORTCUT[self.affinity is not None])}"
                return [f"{self._ip} saddr @pods{self.family} {shortcut}", f"fib saddr type local {MARK} {shortcut}"]
            case "all":
                return []

    def _draw(self, purpose: Purpose, count: int) -> list[str]:
        offset = f" offset {LOCAL_OFFSET}" if purpose == "local" else ""
        draw = f"ct mark set numgen random mod {count}{offset}"

        def fixed(name: str) -> str:
            return chain_name(self.kind, self.family, name)

        if self.affinity is None:
            return [draw, f"goto {fixed('to-drawn')}"]
        client, clients = f"{self._ip} saddr", f"@{self.affinity.clients(self.family, purpose)}"
        stay = f"ct mark != 0 jump {fixed('to-marked')}"
        remember = f"ct mark != 0 update {clients} {{ {client} timeout {self.affinity.seconds}s : ct mark }}"
        return [
            f"ct mark set {client} map {clients}",
            remember,
            stay,
            # The endpoint is gone (or there was none): `update` would keep the old mark, so it goes first.
            f"ct mark != 0 delete {clients} {{ {client} : ct mark }}",
            draw,
            f"jump {fixed('mark-drawn')}",
            remember,
            stay,
        ]

    def endpoints(self, frontend: str, offset: int, endpoints: Sequence[str], draft: Draft) -> None:
        """Adds the elements that lead from `frontend` and a number (from `offset`) to each endpoint."""
        elements = draft.elements
        if self.affinity is None:
            container = self.map("endpoints")
            for number, endpoint in enumerate(endpoints, offset):
                elements[f"{container} {frontend} . {number:#010x}"] = endpoint
            return
        drawn, sticky = self.map("drawn"), self.map("sticky")
        for number, (endpoint, mark) in enumerate(_marks(endpoints, local=offset == LOCAL_OFFSET), offset):
            elements[f"{drawn} {frontend} . {number:#010x}"] = mark
            elements[f"{sticky} {frontend} . {mark}"] = endpoint


@cache
def _shared(kind: ScopeKind, family: Family, purpose: Purpose, count: int) -> tuple[str, str, tuple[str, ...]]:
    """A chain that all Services with `count` endpoints share: its number, its name, its rules."""
    number = f"{_PURPOSES.index(purpose) + 1 << 20 | count:#010x}"
    return number, f"{kind}{family}-{purpose}-{count}", Scope(kind, family, None)._rules(purpose, count)


def _marks(endpoints: Sequence[str], *, local: bool) -> list[tuple[str, str]]:
    """Each endpoint with a mark that stays its own whatever other endpoints come and go.

    local: other marks for the same endpoints, so that a client from outside does not follow one that left the node.
    """
    taken: dict[int, str] = {}
    for endpoint in sorted(endpoints):
        mark = zlib.crc32(endpoint.encode()) >> 1 or 1
        while mark in taken:
            mark += 1
        taken[mark] = endpoint
    by_endpoint = {endpoint: f"{mark | local << 31:#010x}" for mark, endpoint in taken.items()}
    return [(endpoint, by_endpoint[endpoint]) for endpoint in endpoints]
