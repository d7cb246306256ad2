"""The zone's answers, ready to send.

A packet that has been answered before is answered again by one look into a dict: from all its bytes but the ID to all
bytes of the answer but the ID. An answer that a change of the zone touches is forgotten, and made anew when a client
next asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.plugins.step import covers
from sealane.network.names import Answer, Record, Zone, ZoneData
from sealane.network.names.records import TTL, start_of_authority
from sealane.reactive.collections import Change, Collection

MAX_PACKETS = 500_000
"""Prepared packets. Asking for ever new names that do not exist must not fill the memory."""
MAX_TURNS = 16
"""Rotations prepared of an answer with several records."""


Prepared = tuple[Callable[[], bytes], int]


class Table:
    """packets: prepared answers. The first of each value is called for the answer's bytes after the ID, and rotates the
    records with each call; the second is the kind of the answer, for metrics (`metrics.kind`).

    Reading `packets` is the caller's fast path; `prepare` fills it. ttl: of all records, in seconds.
    zones: those that are answered for, the reverse ones too; a negative answer names the one that the question is in.
    balanced: whether the records of an answer take turns.
    """

    def __init__(self, zone: Zone, ttl: int = TTL, zones: Sequence[str] = (), *, balanced: bool = True) -> None:
        self.zone = zone
        self._balanced = balanced
        self.packets: dict[bytes, Prepared] = {}
        self._ttl = ttl
        self._zones = sorted({zone.domain, *zones}, key=len, reverse=True)
        self._by_name: dict[str, list[bytes]] = {}
        self._pods = f".pod.{zone.domain}"
        self._unsubscribe: list[Callable[[], None]] = []

    def follow(self, names: Collection[Any, ZoneData]) -> None:
        """Keeps the zone as `names` says, now and from now on."""
        self._unsubscribe.append(names.subscribe(self._apply))

    def close(self) -> None:
        """Follows no more."""
        while self._unsubscribe:
            self._unsubscribe.pop()()

    def forget(self) -> None:
        """All prepared answers: something else may answer now."""
        self.packets.clear()
        self._by_name.clear()

    def change(self, old: ZoneData | None, new: ZoneData | None) -> None:
        for name in self.zone.change(old, new):
            for packet in self._by_name.pop(name, ()):
                self.packets.pop(packet, None)

    def lookup(self, query: wire.Query) -> Answer:
        return self.zone.lookup(query.name, wire.TYPE_NAMES.get(query.type, str(query.type)))

    def sections(self, query: wire.Query, answer: Answer) -> wire.Sections:
        """`answer` encoded for `query`. A negative answer carries the SOA record (RFC 2308)."""
        if answer.outcome == "answer":
            return wire.Sections(
                wire.NOERROR, self.encode(answer.records, query.name), (), self.encode(answer.additional, query.name)
            )
        zone = self.zone_of(query.name)
        authority = self.encode([self._authority(zone)], query.name)
        if query.name == zone and query.type == wire.TYPES["SOA"]:
            return wire.Sections(wire.NOERROR, authority)
        rcode = wire.NXDOMAIN if answer.outcome == "no such name" else wire.NOERROR
        return wire.Sections(rcode, (), authority)

    def turn(self, random: int) -> int:
        """The number of places by which an answer's records are rotated."""
        return random if self._balanced else 0

    def zone_of(self, name: str) -> str:
        """The zone that `name` is in; the cluster's domain when it is in none."""
        return next((zone for zone in self._zones if covers(zone, name)), self.zone.domain)

    def transfer(self, zone: str) -> Iterator[Record]:
        """All records of `zone`, its SOA first and last (RFC 5936)."""
        authority = self._authority(zone)
        yield authority
        for record in self.zone.records(zone):
            yield replace(record, ttl=self._ttl)
        yield authority

    def prepare(
        self, packet: bytes, query: wire.Query, answer: Answer, kind: Callable[[wire.Query, bytes], int]
    ) -> tuple[bytes, int]:
        """The whole UDP answer to `packet`, remembered for its repetition where that is sound, and its kind."""
        sections = self.sections(query, answer)
        turns = range((min(len(sections.answer), MAX_TURNS) or 1) if self._balanced else 1)
        if not self._repeatable(query):
            response = wire.respond(query, sections, query.limit, turn=self.turn(packet[1]))
            return response, kind(query, response)
        if len(self.packets) >= MAX_PACKETS:
            self.forget()
        responses = cycle([wire.respond(query, sections, query.limit, turn)[2:] for turn in turns])
        response = query.id + next(responses)
        kind_ = kind(query, response)
        self.packets[packet[2:]] = responses.__next__, kind_
        names = {query.name, *(record.name for record in answer.additional)}
        for name in names:
            self._by_name.setdefault(name, []).append(packet[2:])
        return response, kind_

    def _repeatable(self, query: wire.Query) -> bool:
        # Options (cookies) and mixed case (0x20) differ from packet to packet. Pods' dashed names hang on their
        # namespace, and a change of that does not name them.
        name = query.question[:-4]
        return query.plain and name == name.lower() and not query.name.endswith(self._pods)

    def _apply(self, changes: Sequence[Change[Any, ZoneData]]) -> None:
        for change in changes:
            self.change(change.old, change.new)

    def _authority(self, zone: str) -> Record:
        return start_of_authority(self.zone.serial, zone, self._ttl)

    def encode(self, records: Sequence[Record], question: str) -> tuple[bytes, ...]:
        """For an answer to a question about the name `question`."""
        return tuple(wire.record_bytes(record, question, self._ttl) for record in records)
