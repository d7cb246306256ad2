"""`rewrite`: another question is asked in place of the one that came, or its answer is changed.

Source: https://coredns.io/plugins/rewrite/. The question of the answer is always the client's own; `answer auto`,
`answer name` and `answer value` put the names in its records back too. What rules do to an answer is done in reverse
order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import dns.exception
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import edns, step
from sealane.dataplane.dns.plugins.rewrite_answer import Change, Code, Names, Target, Ttl, Values
from sealane.kube import regex

FIELDS = ("name", "type", "class", "edns0", "ttl", "rcode", "cname")
MATCHES = ("exact", "prefix", "suffix", "substring", "regex")


@dataclass(frozen=True, slots=True)
class Match:
    """A condition on a name with its final dot, and what becomes of it: as of re.sub."""

    pattern: regex.Pattern
    to: str = ""

    def applied(self, name: str) -> str | None:
        """`name` changed; None when it is not about it."""
        match = self.pattern.search(name)
        if match is None:
            return None
        return match.expand(self.to) if self.pattern.groups else self.pattern.sub(lambda _: self.to, name)


@dataclass(frozen=True, slots=True)
class Rule:
    """field: of the question, which `match` is about; a type or class is matched by its number.

    more: whether further rules are applied. auto: the answer's records get the name that was asked for.
    option: what "edns0" does. back: the changes to the answer.
    """

    field: Literal["name", "type", "class", "edns0", "answer"]
    match: Match
    more: bool = False
    auto: bool = False
    option: edns.Rewrite | None = None
    back: tuple[Change, ...] = ()

    def applied(self, query: wire.Query) -> wire.Query | None:
        """The question that it makes of `query`; None when it is not about it. Raises ValueError for a bad name."""
        match self.field:
            case "type":
                number = self.match.applied(str(query.type))
                return None if number is None else step.asking(query, query.name, int(number))
            case "class":
                number = self.match.applied(str(int.from_bytes(query.question[-2:], "big")))
                if number is None:
                    return None
                question = query.question[:-2] + int(number).to_bytes(2, "big")
                refusal = wire.NOERROR if int(number) == wire.IN else wire.REFUSED
                return replace(query, question=question, refusal=refusal)
            case "edns0":
                assert self.option is not None
                return self.option.applied(query)
            case "answer":
                return None if self.match.applied(f"{query.name}.") is None else query
        name = self.match.applied(f"{query.name}.")
        return None if name is None else step.asking(query, name.rstrip(".").lower())


@dataclass(frozen=True, slots=True)
class Rewrite:
    """All rules of a server block, in their order."""

    every_class: ClassVar[bool] = True
    completes: ClassVar[bool] = False

    rules: tuple[Rule, ...]

    def concerns(self, query: wire.Query) -> bool:
        try:
            return any(rule.applied(query) is not None for rule in self.rules)
        except ValueError:
            return True

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        asked, changes = query, list[Change]()
        for rule in self.rules:
            try:
                changed = rule.applied(asked)
            except ValueError:
                return wire.respond(query, wire.Sections(wire.SERVFAIL, authoritative=False))
            if changed is None:
                continue
            if rule.auto:
                changes.append(Names(re.compile(f"^{re.escape(changed.name)}\\.$"), f"{asked.name}."))
            changes += rule.back
            asked = changed
            if not rule.more:
                break
        response = await onward(asked)
        if asked.question == query.question and not changes:
            return response
        message = wire.read_message(response)
        for change in reversed(changes):
            await change.apply(message, asked, onward)
        return wire.respond(query, wire.message_sections(message))


def read(directives: Sequence[Directive]) -> Rewrite:
    """Raises CorefileError."""
    return Rewrite(tuple(_rule(directive) for directive in directives))


def _rule(directive: Directive) -> Rule:
    words = list(directive.args)
    more = bool(words) and words[0] == "continue"
    if words and words[0] in ("continue", "stop"):
        words.pop(0)
    for option in directive.block:
        words += [option.name, *option.args]
    if not words:
        raise directive.error("rewrite takes a field, what is asked and what to ask in its place")
    field, *words = words
    match field:
        case "name":
            return _name(directive, words, more)
        case "type" | "class":
            return replace(_numbers(directive, field, words), more=more)
        case "edns0":
            return Rule("edns0", Match(re.compile("")), more, option=edns.read(directive, words))
        case "ttl":
            *words, times = _several(directive, "ttl", words, 2)
            least, most = _range(directive, times)
            return Rule("answer", _match(directive, "ttl", words, 0), more, back=(Ttl(least, most),))
        case "rcode":
            *words, old, new = _several(directive, "rcode", words, 3)
            change = Code(_rcode(directive, old), _rcode(directive, new))
            return Rule("answer", _match(directive, "rcode", words, 0), more, back=(change,))
        case "cname":
            target = _match(directive, "cname", words, 1)
            return Rule("answer", Match(re.compile("")), more, back=(Target(target.applied),))
    raise directive.unknown("field of rewrite", field, FIELDS)


def _several(directive: Directive, field: str, words: Sequence[str], least: int) -> Sequence[str]:
    if len(words) < least:
        raise directive.error(f"rewrite {field} takes a name and what it becomes")
    return words


def _match(directive: Directive, field: str, words: Sequence[str], to: int) -> Match:
    """`[exact|prefix|suffix|substring|regex] FROM [TO]`. to: how many words follow FROM."""
    kind = words[0] if len(words) > 1 + to and words[0] in MATCHES else "exact"
    rest = words[1:] if len(words) > 1 + to and words[0] in MATCHES else words
    if len(rest) != 1 + to:
        raise directive.error(f"rewrite {field} {kind} takes what is asked" + (" and what to ask in its place" * to))
    return _of(directive, kind, rest[0], rest[1] if to else "")


def _of(directive: Directive, kind: str, from_: str, to: str) -> Match:
    if kind == "regex":
        return Match(step.pattern(directive, from_), _python(to))
    dotted = kind in ("exact", "suffix")
    literal = re.escape(from_.rstrip(".").lower() + "." if dotted else from_.lower())
    whole = {"exact": f"^{literal}$", "prefix": f"^{literal}", "suffix": f"{literal}$", "substring": literal}[kind]
    return Match(re.compile(whole), to.rstrip(".") + "." if dotted else to)


def _name(directive: Directive, words: Sequence[str], more: bool) -> Rule:
    kind, rest = (words[0], words[1:]) if words and words[0] in MATCHES else ("exact", words)
    if len(rest) < 2:
        raise directive.error(f"rewrite name {kind} takes what is asked and what to ask in its place")
    (from_, to), options = rest[:2], list(rest[2:])
    # An exact rule puts the name back by itself.
    auto, back = kind == "exact", list[Change]()
    if options and options[0] != "answer":
        raise directive.error(f"rewrite: expected 'answer auto' or 'answer name FROM TO', not {' '.join(options)!r}")
    while options:
        options = options[1:] if options[0] == "answer" else options
        match options:
            case ["auto", *rest] | ["name", "auto", *rest]:
                options = rest
                if kind == "suffix":
                    back.append(Names(re.compile(re.escape(_dotted(to)) + "$"), _dotted(from_)))
                else:
                    auto = True
            case ["name", old, new, *rest]:
                options = rest
                back.append(Names(step.pattern(directive, old), _python(new)))
            case ["value", old, new, *rest]:
                options = rest
                back.append(Values(step.pattern(directive, old), _python(new)))
            case _:
                wrong = " ".join(["answer", *options])
                raise directive.error(f"rewrite: expected 'answer auto' or 'answer name FROM TO', not {wrong!r}")
    return Rule("name", _of(directive, kind, from_, to), more, auto, back=tuple(back))


def _dotted(name: str) -> str:
    return name.rstrip(".").lower() + "."


def _numbers(directive: Directive, field: Literal["type", "class"], words: Sequence[str]) -> Rule:
    by_name = dns.rdatatype.from_text if field == "type" else dns.rdataclass.from_text
    try:
        from_, to = (int(by_name(word)) for word in words)
    except (ValueError, dns.exception.DNSException):
        example = "type ANY HINFO" if field == "type" else "class CH IN"
        what = "types of records" if field == "type" else "classes"
        raise directive.error(f"rewrite {field} takes two {what}, like 'rewrite {example}'") from None
    return Rule(field, Match(re.compile(f"^{from_}$"), str(to)))


def _range(directive: Directive, text: str) -> tuple[int, int]:
    """ "30", "30-300", "-30" or "30-", in seconds."""
    low, dash, high = text.partition("-")
    try:
        least = int(low or "0")
        most = (int(high) if high else 2**31 - 1) if dash else least
    except ValueError:
        raise directive.error(f"rewrite ttl takes seconds or a range of them like 30-300, not {text!r}") from None
    if least > most:
        raise directive.error(f"rewrite ttl: {text} is an empty range")
    return least, most


def _rcode(directive: Directive, text: str) -> int:
    try:
        return int(text) if text.isdecimal() else int(dns.rcode.from_text(text))
    except dns.exception.DNSException:
        raise directive.error(f"rewrite rcode: {text!r} is no response code") from None


def _python(text: str) -> str:
    """Groups as Python writes them: "{1}.svc" is "\\g<1>.svc"."""
    return re.sub(r"\{(\d+)\}", r"\\g<\1>", text.replace("\\", "\\\\"))
