"""`transfer`: the clients that may have a whole zone (AXFR, RFC 5936). Source: https://coredns.io/plugins/transfer/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

OPTIONS = ("to", "source")


@dataclass(frozen=True, slots=True)
class Transfer:
    """to: addresses, or "*" for everyone."""

    zones: tuple[str, ...]
    to: tuple[str, ...]

    def allows(self, address: str) -> bool:
        return "*" in self.to or address in self.to


def read(directive: Directive, zones: Sequence[str]) -> Transfer:
    """Raises CorefileError."""
    to: list[str] = []
    for option in directive.block:
        if option.name not in OPTIONS:
            raise option.unknown("option of transfer", option.name, OPTIONS)
        if option.name == "to":
            if not option.args:
                raise option.error("to takes at least one address, or * for everyone")
            to += [_address(option, word) for word in option.args]
    if not to:
        raise directive.error("transfer needs a 'to' with those who are allowed")
    return Transfer(step.zones(directive, directive.args, zones), tuple(to))


def _address(option: Directive, word: str) -> str:
    host = word
    if word.count(":") == 1 or word.startswith("["):  # A port is where NOTIFY would go.
        host = word.rpartition(":")[0] if not word.endswith("]") else word
    try:
        return word if word == "*" else str(ip_address(host.strip("[]")))
    except ValueError:
        raise option.error(f"transfer: {word!r} is no address") from None
