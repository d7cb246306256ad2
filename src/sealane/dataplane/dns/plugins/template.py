"""`template`: answers made of the question by a pattern. Source: https://coredns.io/plugins/template/.

Of Go's templates there are the fields `.Name`, `.Class`, `.Type`, `.Zone`, `.Group.NAME` and `index .Match N`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import dns.exception
import dns.rcode
import dns.rdatatype
import dns.rrset

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.kube import regex

OPTIONS = ("match", "answer", "additional", "authority", "rcode", "ederror", "upstream", "fallthrough")
_FIELD = re.compile(r"\{\{-?\s*(?:\.(Name|Class|Type|Zone)|\.Group\.(\w+)|index\s+\.Match\s+(\d+))\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """type: None for any. patterns: the first that is found in the name, with its final dot, counts."""

    every_class: ClassVar[bool] = False
    completes: ClassVar[bool] = True

    zones: tuple[str, ...]
    type: int | None
    patterns: tuple[regex.Pattern, ...]
    answers: tuple[str, ...] = ()
    additionals: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    rcode: int = wire.NOERROR
    fallthrough: tuple[str, ...] | None = None

    def concerns(self, query: wire.Query) -> bool:
        if self.type not in (None, query.type) or not step.covered(self.zones, query.name):
            return False
        falls = self.fallthrough is not None and step.covered(self.fallthrough, query.name)
        return not falls or self._match(query) is not None

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        match = self._match(query)
        if match is None:
            # Without fallthrough a template whose pattern does not match lets no other plugin answer.
            return wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False))
        zone = next(zone for zone in self.zones if step.covers(zone, query.name))
        try:
            answers, authorities, additionals = (
                tuple(_record(text, query, match, zone) for text in part)
                for part in (self.answers, self.authorities, self.additionals)
            )
            sections = wire.Sections(self.rcode, answers, authorities, additionals)
        except (dns.exception.DNSException, IndexError, ValueError):
            sections = wire.Sections(wire.SERVFAIL, authoritative=False)
        return wire.respond(query, sections)

    def _match(self, query: wire.Query) -> regex.Match | None:
        return next((found for one in self.patterns if (found := one.search(f"{query.name}."))), None)


def read(directive: Directive, zones: Sequence[str]) -> Template:
    """Raises CorefileError."""
    if len(directive.args) < 2:
        raise directive.error("template takes a class and a type, like 'template IN A'")
    class_, type_name, *words = directive.args
    if class_.upper() not in ("IN", "ANY"):
        raise directive.error(f"template: only class IN is answered, not {class_}")
    try:
        type_ = None if type_name.upper() == "ANY" else int(dns.rdatatype.from_text(type_name))
    except dns.exception.DNSException:
        raise directive.error(f"template: {type_name!r} is no type of records") from None
    patterns: list[regex.Pattern] = []
    texts: dict[str, tuple[str, ...]] = {"answer": (), "additional": (), "authority": ()}
    rcode, falls = wire.NOERROR, None
    for option in directive.block:
        match option.name:
            case "match":
                patterns += [step.pattern(option, text) for text in option.args]
            case "answer" | "additional" | "authority":
                for text in option.args:
                    if "{{" in _FIELD.sub("", text):
                        raise option.error(f"template: not one of the fields that are known: {text}")
                texts[option.name] += option.args
            case "rcode":
                try:
                    rcode = int(dns.rcode.from_text(step.only(option, 1)[0]))
                except dns.exception.DNSException:
                    raise option.error(f"template: {option.args[0]!r} is no response code") from None
            case "fallthrough":
                falls = step.fallthrough(option)
            case name if name not in OPTIONS:
                raise option.unknown("option of template", name, OPTIONS)
    where = step.zones(directive, words, zones)
    any_ = (re.compile(".*"),)
    return Template(
        where, type_, tuple(patterns) or any_, texts["answer"], texts["additional"], texts["authority"], rcode, falls
    )


def _record(text: str, query: wire.Query, match: regex.Match, zone: str) -> bytes:
    type_ = str(dns.rdatatype.to_text(dns.rdatatype.RdataType.make(query.type)))
    plain = {"Name": f"{query.name}.", "Class": "IN", "Type": type_, "Zone": f"{zone}."}
    made = _FIELD.sub(
        lambda one: plain[one[1]] if one[1] else (match[one[2]] if one[2] else match[int(one[3])]) or "", text
    )
    owner, ttl, class_, kind, data = made.split(None, 4)
    rrset = dns.rrset.from_text(owner, int(ttl), class_, kind, data)
    return wire.rrset_records(rrset)[0]
