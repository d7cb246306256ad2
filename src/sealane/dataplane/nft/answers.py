"""Answers that are on their way while the flow they belong to is forgotten.

The kernel undoes the translation of an answer by the entry of its flow. A flow that moves loses its entry, and the
answer to what was asked just before would reach the client from an address that the client has not asked. So for a
moment the answers of each flow that moves are given the Service's address and port by rules of their own, whether the
entry is still there or not. Answers pass by conntrack: an entry of their own would be one for the way back. A client
that asked one endpoint through several Services from one port is answered in the name of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sealane.dataplane.nft.flows import Flow

TABLE = "sealane-answers"
SECONDS = 2
"""For how long an answer may still come."""
PART = 1000
"""Flows of one transaction."""


def passing(flows: Sequence[Flow]) -> Iterator[str]:
    """nft commands, transaction by transaction, that let answers pass; nothing for flows whose client is translated.

    A transaction fails when such an answer passes already, in another name: then the other flows have to go alone.
    """
    found = list({(flow.given, flow.port, flow.client): flow for flow in flows if flow.client is not None}.values())
    for start in range(0, len(found), PART):
        part = found[start : start + PART]
        yield "\n".join([*(_table() if not start else ()), *(line for flow in part for line in _elements(flow))]) + "\n"


def _table() -> list[str]:
    lines = [
        f"add table inet {TABLE}",
        f"add chain inet {TABLE} prerouting {{ type filter hook prerouting priority raw; }}",
        f"flush chain inet {TABLE} prerouting",
    ]
    for family, ip, address in ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr")):
        key = f"type {address} . inet_service . {address} . inet_service"
        asked = f"{ip} saddr . udp sport . {ip} daddr . udp dport"
        for name, data in (("ports", "inet_service"), ("addresses", address)):
            lines.append(f"add map inet {TABLE} {name}{family} {{ {key} : {data}; timeout {SECONDS}s; }}")
        lines.append(
            f"add rule inet {TABLE} prerouting meta l4proto udp udp sport set {asked} map @ports{family} "
            f"{ip} saddr set {asked} map @addresses{family} notrack"
        )
    return lines


def _elements(flow: Flow) -> Iterator[str]:
    """The second map is looked up when the port is the Service's already."""
    assert flow.client is not None
    (address, port), (client, client_port) = flow.given, flow.client
    to = f"{client} . {client_port}"
    yield f"add element inet {TABLE} ports{flow.family} {{ {address} . {port} . {to} : {flow.port} }}"
    yield f"add element inet {TABLE} addresses{flow.family} {{ {address} . {flow.port} . {to} : {flow.address} }}"
