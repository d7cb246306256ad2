"""The meaning of a name to a pod: the queries its stub resolver makes of it in turn, and what each is answered.

Source: resolv.conf(5) and getaddrinfo of the GNU C library: each name of the search path is asked for until one has
records; "no such name" and "no data" both go on to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.network.names.records import Record
from sealane.network.names.resolver import Resolver, pod_resolver, queries
from sealane.network.names.zone import NO_DATA, Answer, Outcome, Zone

if TYPE_CHECKING:
    from sealane.kube.shapes import Pod

MAX_ALIASES = 8
"""Aliases followed one after another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One name with one answer for each type that was asked for.

    records: of all types; aliases stand before what they lead to. elsewhere: the name that only servers upstream can
    answer, be it this one or one that an alias leads to; "" for none.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    records: tuple[Record, ...] = ()
    elsewhere: str = ""

    @property
    def data(self) -> tuple[str, ...]:
        """The data of the records, without the aliases on the way."""
        return tuple(record.data for record in self.records if record.type != "CNAME")


@dataclass(frozen=True, slots=True)
class Resolution:
    """asked: every name in the order in which they are asked for; the last one is what the program gets.

    types: of records, each a query of its own for each name.
    """

    asked: tuple[Asked, ...]
    types: tuple[str, ...]

    @property
    def answer(self) -> Asked:
        return self.asked[-1]

    @property
    def queries(self) -> int:
        """The number of queries of the lookup."""
        return len(self.asked) * len(self.types)


def pod_resolution(pod: Pod, name: str, zone: Zone, types: Sequence[str] = ("A", "AAAA")) -> Resolution:
    """The answer that a program of `pod` gets for `name` from the cluster's DNS, which answers from `zone`."""
    return resolution(name, pod_resolver(pod), zone, types)


def resolution(name: str, resolver: Resolver, zone: Zone, types: Sequence[str] = ("A", "AAAA")) -> Resolution:
    """Asks until a name has records or is not the cluster's to answer: what others answer is not known here."""
    found: list[Asked] = []
    for query in queries(name, resolver):
        found.append(ask(query, zone, types))
        if found[-1].records or (found[-1].elsewhere and "." in query):
            break
    return Resolution(tuple(found), tuple(types))


def ask(name: str, zone: Zone, types: Sequence[str] = ("A", "AAAA")) -> Asked:
    """One full name (lower case, without the final dot), aliases followed as far as the zone goes."""
    outcomes: list[Outcome] = []
    records: dict[Record, None] = {}
    elsewhere = ""
    for type_ in types:
        answer, chain = follow(zone.lookup(name, type_), type_, zone)
        records.update((record, None) for record in chain)
        last = chain[-1] if chain else None
        outcomes.append(answer.outcome)
        if answer.outcome == "not ours":
            elsewhere = last.data.rstrip(".") if last is not None else name
    return Asked(name, tuple(outcomes), tuple(records), elsewhere)


def follow(answer: Answer, type_: str, zone: Zone) -> tuple[Answer, list[Record]]:
    """The answer at the end of the aliases (2.5 of the specification), and the records on the way with its own.

    Aliases that lead round in the zone, over more than `MAX_ALIASES` names or to a name of it without such records
    are as if they were not there: "no data" and no records. Source: A and AAAA in CoreDNS' plugin/backend_lookup.go.
    """
    records: list[Record] = []
    targets: set[str] = set()
    while answer.outcome == "answer":
        records += answer.records
        if answer.records[0].type != "CNAME" or type_ in ("CNAME", "ANY"):
            return answer, records
        target = answer.records[0].data.rstrip(".")
        if target in targets or len(records) > MAX_ALIASES:
            return NO_DATA, []
        targets.add(target)
        answer = zone.lookup(target, type_)
    return (answer, records) if answer.outcome == "not ours" or not records else (NO_DATA, [])
