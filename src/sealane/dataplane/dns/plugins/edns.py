"""`rewrite edns0`: options that are sent to servers upstream. Source: https://coredns.io/plugins/rewrite/ (EDNS0)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Literal

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive

NSID, SUBNET = 3, 8
KINDS = ("local", "nsid", "subnet")
ACTIONS = ("set", "append", "replace", "unset")
VARIABLES = ("{qname}", "{qtype}", "{client_ip}", "{client_port}", "{protocol}")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """code: of the option. data: a variable or bytes; of a subnet, the lengths of its prefixes by family."""

    code: int
    action: Literal["set", "append", "replace", "unset"]
    data: bytes | str = b""
    prefixes: tuple[int, int] = (0, 0)

    def applied(self, query: wire.Query) -> wire.Query | None:
        """The question with its options changed; None when there is nothing to change."""
        there = any(code == self.code for code, _ in query.options)
        rest = tuple(option for option in query.options if option[0] != self.code)
        match self.action:
            case "unset":
                return replace(query, options=rest) if there else None
            case "append" if there:
                return None
            case "replace" if not there:
                return None
        return replace(query, options=(*rest, (self.code, self._data(query))))

    def _data(self, query: wire.Query) -> bytes:
        client = query.client
        if self.code == SUBNET and client.address:
            address = ip_address(client.address)
            length = self.prefixes[address.version == 6]
            network = ip_network((address, length), strict=False)
            family = 1 if address.version == 4 else 2
            return struct.pack("!HBB", family, length, 0) + network.network_address.packed[: -(-length // 8)]
        match self.data:
            case bytes() as data:
                return data
            case "{qname}":
                return f"{query.name}.".encode("latin-1")
            case "{qtype}":
                return struct.pack("!H", query.type)
            case "{client_ip}":
                return ip_address(client.address).packed
            case "{client_port}":
                return struct.pack("!H", client.port)
            case "{protocol}":
                return client.protocol.encode()
        return b""


def read(directive: Directive, words: Sequence[str]) -> Rewrite:
    """`local|nsid|subnet ACTION ...` (after `edns0`). Raises CorefileError."""
    if len(words) < 2:
        raise directive.error("rewrite edns0 takes a kind of option and an action, like 'edns0 nsid set'")
    kind, action, *rest = words
    if kind not in KINDS:
        raise directive.unknown("option of EDNS0", kind, KINDS)
    if action not in ACTIONS:
        raise directive.unknown("action", action, ACTIONS)
    if rest[-1:] == ["revert"]:  # Answers carry no options here, so there is nothing to take back.
        rest.pop()
    match kind, action, rest:
        case "nsid", _, []:
            return Rewrite(NSID, action)  # type: ignore[arg-type]
        case "subnet", "unset", []:
            return Rewrite(SUBNET, "unset")
        case "subnet", _, [ipv4, ipv6] if ipv4.isdecimal() and ipv6.isdecimal():
            if int(ipv4) > 32 or int(ipv6) > 128:
                raise directive.error(f"rewrite edns0 subnet: {ipv4} {ipv6} are no lengths of prefixes")
            return Rewrite(SUBNET, action, prefixes=(int(ipv4), int(ipv6)))  # type: ignore[arg-type]
        case "local", "unset", [code]:
            return Rewrite(_code(directive, code), "unset")
        case "local", _, [code, data]:
            if data in VARIABLES:
                return Rewrite(_code(directive, code), action, data)  # type: ignore[arg-type]
            if data.startswith("{"):
                raise directive.unknown("variable", data, VARIABLES)
            try:
                raw = bytes.fromhex(data[2:]) if data.startswith("0x") else data.encode()
            except ValueError:
                raise directive.error(f"rewrite edns0: {data!r} is no hexadecimal number") from None
            return Rewrite(_code(directive, code), action, raw)  # type: ignore[arg-type]
    raise directive.error(f"rewrite edns0 {kind} {action}: wrong number of arguments")


def _code(directive: Directive, text: str) -> int:
    try:
        code = int(text, 0)
    except ValueError:
        code = -1
    if not 0 <= code < 65536:
        raise directive.error(f"rewrite edns0: {text!r} is no code of an option")
    return code
