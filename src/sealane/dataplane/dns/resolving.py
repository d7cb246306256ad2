"""One question's way through the plugins of a server block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.journal import Journal
from sealane.dataplane.dns.plugins.loop import LoopDetected
from sealane.dataplane.dns.route import Route
from sealane.dataplane.dns.upstream import Unreachable
from sealane.network.names import Answer, Record
from sealane.network.names.zone import NO_DATA, NOT_OURS

MAX_ALIASES = 8
_aliases: ContextVar[int] = ContextVar("aliases", default=0)  # that have been completed on the way to a question
MESSAGE_BYTES = 16_000
"""Of one message of a transfer."""

Elsewhere = Callable[[wire.Query], Awaitable[bytes]]
"""Asks the whole server, for an alias may point into any zone that it answers for."""


def outward(query: wire.Query, answer: Answer) -> bool:
    """Whether the answer needs more than the zone: a name of others, or an alias that has to be followed."""
    if answer.outcome == "not ours":
        return True
    alias = answer.outcome == "answer" and answer.records[0].type == "CNAME"
    return alias and query.type not in (wire.TYPES["CNAME"], wire.TYPES["ANY"])


async def resolve(route: Route, query: wire.Query, elsewhere: Elsewhere, journal: Journal) -> bytes:
    """The whole answer to `query`, of any length."""
    try:
        return await _through(route, query, 0, elsewhere, journal)
    except Unreachable as error:
        journal.failed(route.errors, query, error)
        return _failed(query, wire.REFUSED if error.refused else wire.SERVFAIL)
    except (wire.Malformed, LoopDetected) as error:
        journal.failed(route.errors, query, error)
        return _failed(query, wire.SERVFAIL)


async def _through(route: Route, query: wire.Query, start: int, elsewhere: Elsewhere, journal: Journal) -> bytes:
    at = route.step(query, start)
    if at is not None:

        async def onward(asked: wire.Query) -> bytes:
            try:
                return await _through(route, asked, at + 1, elsewhere, journal)
            except (Unreachable, LoopDetected) as error:
                journal.failed(route.errors, asked, error)
                refused = isinstance(error, Unreachable) and error.refused
                return _failed(asked, wire.REFUSED if refused else wire.SERVFAIL)

        response = await route.steps[at].answer(query, onward)
        if route.steps[at].completes and query.type in (wire.TYPES["A"], wire.TYPES["AAAA"]):
            response = await _completed(query, response, elsewhere)
        if not query.trail:
            query.trail.append(type(route.steps[at]).__name__.lower())
        return response
    if query.refusal:
        return _failed(query, query.refusal)
    if query.type in wire.TRANSFERS:
        return _failed(query, wire.REFUSED)
    answer = route.lookup(query)
    if answer.outcome == "not ours":
        return await route.ask(query)
    query.trail.append("kubernetes")
    assert route.table is not None
    if not outward(query, answer):
        return wire.respond(query, route.table.sections(query, answer), turn=route.table.turn(query.id[1]))
    return wire.respond(query, await _follow(route, query, answer, elsewhere, journal))


async def _completed(query: wire.Query, response: bytes, elsewhere: Elsewhere) -> bytes:
    """`response` with what the targets of its aliases answer, where it does not say so itself.

    Source: plugin/template in CoreDNS, which asks its whole server for them.
    """
    said = wire.read_message(response)
    owners = {each.name for each in said.answer}
    targets = [record.target for each in said.answer if each.rdtype == wire.TYPES["CNAME"] for record in each]
    missing = [target.to_text(omit_final_dot=True).lower() for target in targets if target not in owners]
    depth = _aliases.get()
    if not missing or depth >= MAX_ALIASES:
        return response
    token = _aliases.set(depth + 1)
    try:
        found = [wire.sections(await elsewhere(_asking(query, target))) for target in missing]
    except wire.Malformed:
        return response
    finally:
        _aliases.reset(token)
    own = wire.message_sections(said)
    return wire.respond(query, replace(own, answer=(*own.answer, *(one for each in found for one in each.answer))))


def _asking(query: wire.Query, target: str) -> wire.Query:
    """A question of our own for another name."""
    question = wire.name_bytes(target) + query.question[-4:]
    return wire.Query(b"\0\0", query.flags, target, query.type, question, wire.OWN_SIZE, False, False)


async def _follow(
    route: Route, query: wire.Query, answer: Answer, elsewhere: Elsewhere, journal: Journal
) -> wire.Sections:
    """An ExternalName: its CNAME record and what the name it points to answers (2.5).

    One that leads round in the zone, further than eight names or to a name of the zone without such records is answered
    as if it were not there: no error and no records. Source: A and AAAA in CoreDNS' plugin/backend_lookup.go.
    """
    assert route.table is not None
    chain: list[Record] = []
    encoded: list[bytes] = []
    nothing = route.table.sections(query, NO_DATA)
    while answer.outcome == "answer":
        chain += answer.records
        encoded += route.table.encode(answer.records, query.name)
        if answer.records[0].type != "CNAME":
            return wire.Sections(wire.NOERROR, tuple(encoded))
        target = answer.records[0].data.rstrip(".")
        if (
            target == query.name
            or len(chain) > MAX_ALIASES
            or any(each.data.rstrip(".") == target for each in chain[:-1])
        ):
            return nothing
        asked = _asking(query, target)
        answer = route.lookup(asked) if route.direct(asked) else NOT_OURS
        if answer.outcome == "not ours":
            try:
                found = wire.sections(await elsewhere(asked))
            except wire.Malformed as error:
                # The CNAME is known, its target is not: that is what the client should see.
                journal.failed(route.errors, asked, error)
                return wire.Sections(wire.SERVFAIL, tuple(encoded))
            rcode = wire.SERVFAIL if found.rcode == wire.REFUSED else found.rcode
            authority = () if found.answer else found.authority
            return wire.Sections(rcode, (*encoded, *found.answer), authority)
    return nothing


def transfer(route: Route, query: wire.Query, packet: bytes) -> Sequence[bytes] | None:
    """The messages that hold a whole zone (RFC 5936), for those whom `transfer` allows it.

    A client that asks for what changed since a serial number (IXFR, RFC 1995) gets the SOA when nothing did, else all.
    None when there is no such zone here, or no rule about it.
    """
    allowed = route.transferable(query)
    if allowed is None or route.kubernetes is None or query.name not in route.kubernetes.zones:
        return None
    if not allowed:
        return (_failed(query, wire.REFUSED),)
    query.trail.append("transfer")
    assert route.table is not None
    records = route.table.transfer(query.name)
    if query.type == wire.TYPES["IXFR"] and _serial(packet) >= route.table.zone.serial:
        records = iter([next(records)])
    return tuple(_messages(query, records))


def _messages(query: wire.Query, records: Iterator[Record]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for record in records:
        held.append(wire.record_bytes(record, query.name))
        size += len(held[-1])
        if size > MESSAGE_BYTES:
            yield wire.respond(query, wire.Sections(wire.NOERROR, tuple(held)))
            held, size = [], 0
    if held:
        yield wire.respond(query, wire.Sections(wire.NOERROR, tuple(held)))


def _serial(packet: bytes) -> int:
    """Of the zone that the client has, -1 when it does not say."""
    for rrset in wire.read_message(packet).authority:
        if rrset.rdtype == wire.TYPES["SOA"]:
            return int(rrset[0].serial)
    return -1


def _failed(query: wire.Query, rcode: int) -> bytes:
    return wire.respond(query, wire.Sections(rcode, authoritative=False))
