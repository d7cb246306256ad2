"""`hosts`: addresses of names as /etc/hosts writes them. Source: https://coredns.io/plugins/hosts/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from posixpath import basename
from typing import ClassVar

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.network.names import Record
from sealane.network.names.records import address_record, reverse_name

TTL = 3600
OPTIONS = ("ttl", "no_reverse", "reload", "fallthrough")


@dataclass(frozen=True, slots=True)
class Hosts:
    """records: by name. fallthrough: None when a name that is not here does not exist."""

    every_class: ClassVar[bool] = False
    completes: ClassVar[bool] = False

    zones: tuple[str, ...]
    records: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    fallthrough: tuple[str, ...] | None = None

    def concerns(self, query: wire.Query) -> bool:
        if not step.covered(self.zones, query.name):
            return False
        return query.name in self.records or not self._falls(query.name)

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        held = self.records.get(query.name, ())
        type_ = wire.TYPE_NAMES.get(query.type, "")
        found = [record for record in held if type_ in (record.type, "ANY")]
        if not held and self._falls(query.name):  # a name with records of other types has NODATA
            return await onward(query)
        return step.records(query, found, wire.NOERROR if held else wire.NXDOMAIN)

    def _falls(self, name: str) -> bool:
        return self.fallthrough is not None and step.covered(self.fallthrough, name)


def read(directive: Directive, zones: Sequence[str], files: Mapping[str, str]) -> Hosts:
    """files: what is mounted beside the Corefile, by name. Raises CorefileError."""
    lines: list[tuple[Directive, list[str]]] = []
    words = list(directive.args)
    if path := file_of(directive, files):
        del words[0]
        lines += [(directive, line.partition("#")[0].split()) for line in files.get(basename(path), "").splitlines()]
    ttl, reverse, falls = TTL, True, None
    for option in directive.block:
        match option.name:
            case "ttl":
                ttl = step.integer(option, step.only(option, 1)[0])
            case "no_reverse":
                reverse = False
            case "reload":
                step.seconds(option, step.only(option, 1)[0])
            case "fallthrough":
                falls = step.fallthrough(option)
            case address:
                lines.append((option, [address, *option.args]))
    records: dict[str, dict[Record, None]] = {}
    for record in _records(lines, ttl, reverse):
        records.setdefault(record.name, {})[record] = None
    found = {name: tuple(held) for name, held in records.items()}
    return Hosts(step.zones(directive, words, zones), found, falls)


def file_of(directive: Directive, files: Mapping[str, str]) -> str:
    """The path of the file that it names, of those that are mounted, never of the host's; "" when it names none."""
    path = directive.args[0] if directive.args else ""
    named = ("/" in path and not path.rpartition("/")[2].isdecimal()) or basename(path) in files
    return path if named else ""


def _records(lines: Iterable[tuple[Directive, list[str]]], ttl: int, reverse: bool) -> Iterable[Record]:
    for where, words in lines:
        if not words:
            continue
        try:
            address = str(ip_address(words[0]))
        except ValueError:
            raise where.unknown("option of hosts or address", words[0], OPTIONS) from None
        for name in words[1:]:
            plain = address_record(name.rstrip(".").lower(), address)
            yield Record(plain.name, plain.type, plain.data, ttl)
            if reverse:
                yield Record(reverse_name(address), "PTR", f"{plain.name}.", ttl)
