"""The common form of plugins: a step on a question's way, and the arguments that many of them take."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive, zones_of
from sealane.kube import regex
from sealane.network.names import Record

Handler = Callable[[wire.Query], Awaitable[bytes]]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Step(Protocol):
    """A plugin on a question's way to the names of the cluster and to servers upstream.

    every_class: whether it has to do with classes of records other than IN.
    completes: whether the addresses of the aliases in its answers are added, as the whole server knows them.
    """

    every_class: ClassVar[bool]
    completes: ClassVar[bool]

    def concerns(self, query: wire.Query) -> bool:
        """False when the answer is as if the plugin were not there: then it may be one prepared before."""
        ...

    async def answer(self, query: wire.Query, onward: Handler) -> bytes:
        """The whole answer; `onward` asks the plugins that follow."""
        ...


def covers(zone: str, name: str) -> bool:
    """Whether `name` is `zone` or below it; "" is the root."""
    return not zone or name == zone or name.endswith(f".{zone}")


def covered(zones: Sequence[str], name: str) -> bool:
    return any(covers(zone, name) for zone in zones)


def zones(directive: Directive, words: Sequence[str], default: Sequence[str] = ("",)) -> tuple[str, ...]:
    """Raises CorefileError."""
    try:
        return tuple(zone for word in words for zone in zones_of(word)) or tuple(default)
    except ValueError as error:
        raise directive.error(f"{directive.name}: {error}") from None


def fallthrough(directive: Directive) -> tuple[str, ...]:
    """`fallthrough [ZONES...]`: for which names the next plugin is asked when this one knows nothing."""
    return zones(directive, directive.args)


def integer(directive: Directive, text: str) -> int:
    if not text.isdecimal():
        raise directive.error(f"{directive.name} takes a whole number, not {text!r}")
    return int(text)


def seconds(directive: Directive, text: str) -> float:
    """ "1m30s" is 90. Raises CorefileError."""
    if text.isdecimal():
        return float(text)
    parts = re.findall(r"([\d.]+)(ms|[smh])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise directive.error(f"{directive.name} takes a duration like 30s, not {text!r}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def pattern(option: Directive, text: str) -> regex.Pattern:
    """Raises CorefileError."""
    try:
        return regex.pattern(text)
    except regex.PatternError as error:
        raise option.error(f"{text!r} is no regular expression: {error}") from None


def only(directive: Directive, count: int) -> tuple[str, ...]:
    """Exactly `count` arguments. Raises CorefileError."""
    if len(directive.args) != count:
        raise directive.error(f"{directive.name} takes {count or 'no'} argument{'s' if count > 1 else ''}")
    return directive.args


def asking(query: wire.Query, name: str, type_: int | None = None) -> wire.Query:
    """`query` for another name or type. Raises ValueError for what is no name."""
    question = wire.name_bytes(name) + (query.type if type_ is None else type_).to_bytes(2, "big") + query.question[-2:]
    return replace(query, name=name, type=query.type if type_ is None else type_, question=question)


def records(query: wire.Query, found: Sequence[Record], rcode: int = wire.NOERROR) -> bytes:
    """An authoritative answer of `found`."""
    return wire.respond(query, wire.Sections(rcode, tuple(wire.record_bytes(one, query.name) for one in found)))
