"""`log`: a line for each question, or for those with certain answers. Source: https://coredns.io/plugins/log/."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

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
        client = query.client
        address = f"[{client.address}]" if ":" in client.address else client.address
        (flags,) = struct.unpack_from("!H", response, 2)
        values = {
            "{remote}": address,
            "{port}": str(client.port),
            "{>id}": str(int.from_bytes(query.id, "big")),
            "{type}": query.type_name,
            "{class}": _CLASS_NAMES.get(int.from_bytes(query.question[-2:], "big"), "-"),
            "{name}": f"{query.name}.",
            "{proto}": client.protocol,
            "{size}": str(client.size),
            "{>do}": "true" if query.dnssec_ok else "false",
            "{>bufsize}": str(65535 if client.protocol == "tcp" else query.limit),
            "{>opcode}": str(query.flags >> 11 & 0xF),
            "{rcode}": wire.RCODE_NAMES.get(flags & 0xF, str(flags & 0xF)),
            "{>rflags}": ",".join(name for bit, name in _FLAGS if flags & bit),
            "{rsize}": str(len(response)),
            "{duration}": f"{seconds:.9f}s",
        }
        return _PLACEHOLDER.sub(lambda match: values.get(match[0], "-"), self.format)


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
