"""`rewrite`: another name or type is asked for in place of the one that came. Source: https://coredns.io/plugins/rewrite/.

The question of the answer is always the client's own; `answer auto` and `answer name` put its records' names back too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import dns.exception
import dns.rdatatype

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.dataplane.dns.plugins.template import pattern

Field = Literal["name", "type"]
FIELDS = ("name", "type", "class", "edns0", "ttl", "rcode", "cname")
MATCHES = ("exact", "prefix", "suffix", "substring", "regex")


@dataclass(frozen=True, slots=True)
class Rule:
    """pattern and to: as of re.sub over the name with its final dot; for a type, its number in `to`.

    back: renames in the answer. auto: the answer's records get the name that was asked for.
    """

    field: Field
    pattern: re.Pattern[str]
    to: str
    more: bool = False
    auto: bool = False
    back: tuple[tuple[re.Pattern[str], str], ...] = ()

    def applied(self, query: wire.Query) -> wire.Query | None:
        """The question that it makes of `query`; None when it is not about it."""
        if self.field == "type":
            return _asking(query, query.name, int(self.to)) if self.pattern.fullmatch(str(query.type)) else None
        match = self.pattern.search(f"{query.name}.")
        if match is None:
            return None
        name = match.expand(self.to) if self.pattern.groups else self.pattern.sub(lambda _: self.to, f"{query.name}.")
        return _asking(query, name.rstrip(".").lower(), query.type)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """All rules of a server block, in their order."""

    rules: tuple[Rule, ...]

    def concerns(self, query: wire.Query) -> bool:
        return any(rule.applied(query) is not None for rule in self.rules)

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        asked, renames = query, []
        for rule in self.rules:
            try:
                changed = rule.applied(asked)
            except ValueError:
                return wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False))
            if changed is None:
                continue
            if rule.auto:
                renames.append((re.compile(f"^{re.escape(changed.name)}\\.$"), f"{asked.name}."))
            renames += rule.back
            asked = changed
            if not rule.more:
                break
        return wire.renamed(await onward(asked), query, renames)


def read(directives: Sequence[Directive]) -> Rewrite:
    """Raises CorefileError."""
    return Rewrite(tuple(_rule(directive) for directive in directives))


def _rule(directive: Directive) -> Rule:
    words = list(directive.args)
    more = bool(words) and words[0] == "continue"
    if words and words[0] in ("continue", "stop"):
        words.pop(0)
    answers = []
    if directive.block:
        first, *rest = directive.block
        words += [first.name, *first.args]
        answers = [[option.name, *option.args] for option in rest]
    if not words:
        raise directive.error("rewrite takes a field, what is asked and what to ask in its place")
    field, *words = words
    if field == "type":
        return _type(directive, words, more)
    if field != "name":
        if field in FIELDS:
            raise directive.error(f"rewrite {field} is not built in, only name and type")
        raise directive.unknown("field of rewrite", field, FIELDS)
    kind = words.pop(0) if words and words[0] in MATCHES else "exact"
    if len(words) < 2:
        raise directive.error(f"rewrite name {kind} takes what is asked and what to ask in its place")
    (from_, to), rest_ = words[:2], words[2:]
    while rest_:
        size = 2 if rest_[1:2] == ["auto"] else 4
        answers.append(rest_[:size])
        rest_ = rest_[size:]
    # An exact rule puts the name back by itself.
    auto, back = kind == "exact", []
    for words in answers:
        match words:
            case ["answer", "auto"]:
                auto = True
            case ["answer", "name" | "value", old, new]:
                back.append((pattern(directive, old), _python(new)))
            case _:
                raise directive.error(
                    f"rewrite: expected 'answer auto' or 'answer name FROM TO', not {' '.join(words)!r}"
                )
    if kind == "regex":
        return Rule("name", pattern(directive, from_), _python(to), more, auto, tuple(back))
    dotted = kind in ("exact", "suffix")
    literal = re.escape(from_.rstrip(".").lower() + "." if dotted else from_.lower())
    whole = {"exact": f"^{literal}$", "prefix": f"^{literal}", "suffix": f"{literal}$", "substring": literal}[kind]
    return Rule("name", re.compile(whole), to.rstrip(".") + "." if dotted else to, more, auto, tuple(back))


def _type(directive: Directive, words: Sequence[str], more: bool) -> Rule:
    try:
        from_, to = (int(dns.rdatatype.from_text(word)) for word in words)
    except (ValueError, dns.exception.DNSException):
        raise directive.error("rewrite type takes two types of records, like 'rewrite type ANY HINFO'") from None
    return Rule("type", re.compile(str(from_)), str(to), more)


def _python(text: str) -> str:
    """Groups as Python writes them: "{1}.svc" is "\\g<1>.svc"."""
    return re.sub(r"\{(\d+)\}", r"\\g<\1>", text.replace("\\", "\\\\"))


def _asking(query: wire.Query, name: str, type_: int) -> wire.Query:
    """Raises ValueError for what is no name."""
    question = wire.name_bytes(name) + type_.to_bytes(2, "big") + query.question[-2:]
    return replace(query, name=name, type=type_, question=question)
