"""The changes that a rule of `rewrite` makes to an answer. Source: https://coredns.io/plugins/rewrite/."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.plugins import step
from sealane.kube import regex

_NAMES = ("target", "exchange", "mname", "rname", "replacement")
"""Fields of CNAME, DNAME, NS, PTR, SRV, MX, SOA and NAPTR records that hold a name."""


class Change(Protocol):
    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        """Changes `message`, the answer to `asked`; `onward` asks for more."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """Owners of records, by re.sub over the name with its final dot."""

    pattern: regex.Pattern
    to: str

    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        for part in (message.answer, message.authority, message.additional):
            part[:] = [
                dns.rrset.from_rdata_list(_renamed(rrset.name, self.pattern, self.to), rrset.ttl, list(rrset))
                for rrset in part
            ]


@dataclass(frozen=True, slots=True)
class Values:
    """Names that records hold."""

    pattern: regex.Pattern
    to: str

    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        for part in (message.answer, message.authority, message.additional):
            part[:] = [
                dns.rrset.from_rdata_list(rrset.name, rrset.ttl, [self._changed(rdata) for rdata in rrset])
                for rrset in part
            ]

    def _changed(self, rdata: dns.rdata.Rdata) -> dns.rdata.Rdata:
        held = {
            name: _renamed(value, self.pattern, self.to)
            for name in _NAMES
            if isinstance(value := getattr(rdata, name, None), dns.name.Name)
        }
        return rdata.replace(**held) if held else rdata


@dataclass(frozen=True, slots=True)
class Ttl:
    """Brought into a range of seconds."""

    least: int
    most: int

    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        for rrset in _records(message):
            rrset.ttl = min(max(rrset.ttl, self.least), self.most)


@dataclass(frozen=True, slots=True)
class Code:
    """One response code in place of another."""

    old: int
    new: int

    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        if message.rcode() == self.old:
            message.set_rcode(dns.rcode.Rcode.make(self.new))


@dataclass(frozen=True, slots=True)
class Target:
    """An alias leads elsewhere: its target is asked for anew. changed: the new target, None for the old one."""

    changed: Callable[[str], str | None]

    async def apply(self, message: dns.message.Message, asked: wire.Query, onward: step.Handler) -> None:
        kept: list[dns.rrset.RRset] = []
        for rrset in message.answer:
            if rrset.rdtype != dns.rdatatype.CNAME:
                continue
            target = self.changed(str(rrset[0].target).lower())
            if target is None:
                kept.append(rrset)
                continue
            kept.append(dns.rrset.from_text(rrset.name, rrset.ttl, "IN", "CNAME", _absolute(target)))
            found = dns.message.from_wire(await onward(step.asking(asked, target.rstrip("."))), ignore_trailing=True)
            message.answer[:] = [*kept, *found.answer]
            message.set_rcode(found.rcode())
            return


def _records(message: dns.message.Message) -> Iterable[dns.rrset.RRset]:
    return (*message.answer, *message.authority, *message.additional)


def _renamed(name: dns.name.Name, pattern: regex.Pattern, to: str) -> dns.name.Name:
    old = str(name).lower()
    new = pattern.sub(to, old, count=1)
    return name if new == old else dns.name.from_text(_absolute(new))


def _absolute(name: str) -> str:
    return name if name.endswith(".") else f"{name}."
