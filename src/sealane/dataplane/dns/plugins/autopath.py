"""`autopath`: the server walks the search path of the pod that asks. Source: https://coredns.io/plugins/autopath/.

A question for a name that the first search domain of a client was appended to is answered with what the rest of its
search path finds, as an alias of the name that was asked for: one question in place of four.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename
from typing import ClassVar

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.network.names import Resolver

NamespaceOf = Callable[[str], str]
"""The namespace of the pod that has an address, "" for none."""


@dataclass(frozen=True, slots=True)
class Autopath:
    """searches: those of a file; None: those of the client's namespace in `domain`, as `namespace_of` finds it.

    outer: the rest of a pod's search path, from the server's own resolv.conf. exists: whether a question
    has an answer as it is.
    """

    every_class: ClassVar[bool] = False
    completes: ClassVar[bool] = False

    zones: tuple[str, ...]
    domain: str = ""
    searches: tuple[str, ...] | None = None
    namespace_of: NamespaceOf | None = None
    outer: tuple[str, ...] = ()
    exists: Callable[[wire.Query], bool] = lambda query: False

    def concerns(self, query: wire.Query) -> bool:
        if not step.covered(self.zones, query.name):
            return False
        return self.searches is not None or (query.name.endswith(f".svc.{self.domain}") and not self.exists(query))

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        searches = self._searches(query.client.address)
        if not searches or not query.name.endswith(f".{searches[0]}"):
            return await onward(query)
        base = query.name.removesuffix(f".{searches[0]}")
        first = b""
        for search in (*searches, ""):
            name = f"{base}.{search}" if search else base
            asked = step.asking(query, name)
            response = await onward(asked)
            first = first or response
            if response[3] & 0xF not in (wire.NXDOMAIN, wire.SERVFAIL, wire.REFUSED):
                return response if name == query.name else _aliased(query, asked, response)
        return first

    def _searches(self, address: str) -> tuple[str, ...]:
        if self.searches is not None:
            return self.searches
        namespace = self.namespace_of(address) if self.namespace_of is not None else ""
        if not namespace:
            return ()
        return (f"{namespace}.svc.{self.domain}", f"svc.{self.domain}", self.domain, *self.outer)


def _aliased(query: wire.Query, asked: wire.Query, response: bytes) -> bytes:
    """The answer to `asked` with an alias of it in front, as an answer to `query`."""
    read = wire.sections(response)
    if not read.answer:
        return wire.respond(query, read)
    owner = wire.name_bytes(query.name)
    target = wire.name_bytes(asked.name)
    (ttl,) = struct.unpack_from("!I", read.answer[0], wire.read_name(read.answer[0], 0)[1] + 4)
    alias = owner + struct.pack("!HHIH", wire.TYPES["CNAME"], wire.IN, ttl, len(target)) + target
    return wire.respond(query, wire.Sections(read.rcode, (alias, *read.answer), read.authority, read.additional))


def read(directive: Directive, zones: Sequence[str], names: Kubernetes | None, files: Mapping[str, str]) -> Autopath:
    """`autopath [ZONE...] RESOLV-CONF`. Raises CorefileError."""
    if not directive.args:
        raise directive.error("autopath takes @kubernetes or a file like /etc/resolv.conf")
    *words, source = directive.args
    within = step.zones(directive, words, zones)
    if not source.startswith("@"):
        resolver = Resolver.parse(files.get(basename(source), ""))
        searches = tuple(search.strip(".").lower() for search in resolver.searches)
        if not searches:
            raise directive.error(f"autopath: there is no search path in {source}")
        return Autopath(within, searches=searches)
    if source != "@kubernetes" or names is None:
        raise directive.error(f"autopath: there is no plugin {source[1:]!r} to ask in this server block")
    if names.pods != "verified":
        raise directive.error(
            "autopath @kubernetes needs 'pods verified' in kubernetes: it looks clients up by address"
        )
    return Autopath(within, names.domain)
