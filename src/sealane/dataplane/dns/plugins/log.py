"""`log`: a line for each question, or for those with certain answers. Source: https://coredns.io/plugins/log/."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" '
    "{rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + ' "{>opcode}"'
CLASSES = ("all", "success", "denial", "error")
_CLASS_NAMES = {1: "IN", 3: "CH", 4: "HS", 255: "ANY"}
_FLAGS = (
    (0x8000, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0020, "ad"),
    (0x0010, "cd"),
)
_PLACEHOLDER = re.compile(r"\{[^{}\s]+\}")


@dataclass(frozen=True, slots=True)
class Log:
    """zone: whose questions. classes: of answers. format: with placeholders in braces."""

    zone: str
    classes: frozenset[str] = frozenset({"all"})
    format: str = COMMON

    def wants(self, query: wire.Query, response: bytes) -> bool:
        if not step.covers(self.zone, query.name):
            return False
        return "all" in self.classes or class_of(response) in self.classes

    def line(self, query: wire.Query, response: bytes, seconds: float) -> str:
        template, fields = _compiled(self.format)
        return template % tuple([field(query, response, seconds) for field in fields])


@cache
def _flags(flags: int) -> str:
    return ",".join(name for bit, name in _FLAGS if flags & bit)


_Field = Callable[[wire.Query, bytes, float], object]
_FIELDS: Mapping[str, _Field] = {
    "{remote}": lambda query, *_: f"[{query.client.address}]" if ":" in query.client.address else query.client.address,
    "{port}": lambda query, *_: query.client.port,
    "{>id}": lambda query, *_: query.id[0] << 8 | query.id[1],
    "{type}": lambda query, *_: query.type_name,
    "{class}": lambda query, *_: _CLASS_NAMES.get(query.question[-2] << 8 | query.question[-1], "-"),
    "{name}": lambda query, *_: f"{query.name}.",
    "{proto}": lambda query, *_: query.client.protocol,
    "{size}": lambda query, *_: query.client.size,
    "{>do}": lambda query, *_: "true" if query.dnssec_ok else "false",
    "{>bufsize}": lambda query, *_: 65535 if query.client.protocol == "tcp" else query.limit,
    "{>opcode}": lambda query, *_: query.flags >> 11 & 0xF,
    "{rcode}": lambda _, response, *__: wire.RCODE_NAMES.get(response[3] & 0xF, response[3] & 0xF),
    "{>rflags}": lambda _, response, *__: _flags(response[2] << 8 | response[3]),
    "{rsize}": lambda _, response, *__: len(response),
    "{duration}": lambda _, __, seconds: f"{seconds:.9f}s",
}
"""What stands in a line for each placeholder; for an unknown one a hyphen."""


@cache
def _compiled(format_: str) -> tuple[str, tuple[_Field, ...]]:
    """A format as a %-template and what goes into it: many lines are made of few formats."""
    literals = [part.replace("%", "%%") for part in _PLACEHOLDER.split(format_)]
    return "%s".join(literals), tuple(_FIELDS.get(name, lambda *_: "-") for name in _PLACEHOLDER.findall(format_))


def class_of(response: bytes) -> str:
    """ "success", "denial" (no such name, or no such records) or "error"."""
    rcode = response[3] & 0xF
    if rcode == wire.NXDOMAIN:
        return "denial"
    if rcode != wire.NOERROR:
        return "error"
    answers, authorities = struct.unpack_from("!HH", response, 6)
    return "denial" if authorities and not answers else "success"


def read(directive: Directive) -> tuple[Log, ...]:
    """`log [NAMES...] [FORMAT]`, a rule for each name. Raises CorefileError."""
    words, format_ = list(directive.args), COMMON
    if words and "{" in words[-1]:
        format_ = words.pop().replace("{common}", COMMON).replace("{combined}", COMBINED)
    classes: set[str] = set()
    for option in directive.block:
        if option.name != "class":
            raise option.unknown("option of log", option.name, ("class",))
        if not option.args:
            raise option.error(f"class takes at least one of {', '.join(CLASSES)}")
        for word in option.args:
            if word not in CLASSES:
                raise option.unknown("class", word, CLASSES)
        classes.update(option.args)
    return tuple(Log(zone, frozenset(classes or {"all"}), format_) for zone in step.zones(directive, words))
