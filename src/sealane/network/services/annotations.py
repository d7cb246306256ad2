"""Annotations that clouds read on Services: those that one machine honours, and the others.

No annotation is silently ignored: an Event names each that is recognised and not honoured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING

from sealane.network.services.annotation_table import AWS, AZURE, EXTERNAL_DNS, SOURCE_RANGES, TABLE

if TYPE_CHECKING:
    from sealane.kube.shapes import Node, Service

_INTERNAL_VALUES: Mapping[str, tuple[str, ...]] = {
    f"{AWS}scheme": ("internal",),
    f"{AWS}internal": ("true", "0.0.0.0/0"),
    f"{AZURE}load-balancer-internal": ("true",),
    "networking.gke.io/load-balancer-type": ("internal",),
    "cloud.google.com/load-balancer-type": ("internal",),
}
_FAMILIES = (AWS, AZURE, EXTERNAL_DNS)
_RANGES = (SOURCE_RANGES, f"{AZURE}allowed-ip-ranges")
ADDRESSES = (
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "kube-vip.io/loadbalancerIPs",
    f"{AZURE}load-balancer-ipv4",
    f"{AZURE}load-balancer-ipv6",
    f"{AWS}private-ipv4-addresses",
)
"""Annotations that ask for addresses, comma separated."""
AZURE_DOMAIN = "cloudapp.azure.com"
BACKENDS = ("tcp", "ssl", "http", "https")
"""What a load balancer can speak to pods."""


def wants_internal(service: Service) -> bool:
    """Does a Service ask for an address that is not reached from outside?"""
    given = service.annotations
    return any(str(given.get(name, "")).lower() in values for name, values in _INTERNAL_VALUES.items())


def annotated_ranges(service: Service) -> list[str]:
    """The source ranges of annotations; those that are none are left out."""
    found = []
    for text in ",".join(service.annotations.get(name, "") for name in _RANGES).split(","):
        try:
            found.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            continue
    return found


def public_names(service: Service) -> tuple[str, ...]:
    """The DNS names outside the cluster that a Service asks for, for its load balancer's addresses."""
    given = service.annotations.get(f"{EXTERNAL_DNS}hostname", "").split(",")
    label = service.annotations.get(f"{AZURE}dns-label-name", "").strip()
    if label:
        given.append(f"{label}.{AZURE_DOMAIN}")
    return tuple(dict.fromkeys(name.strip().rstrip(".").lower() for name in given if name.strip()))


def node_addresses(nodes: Iterable[Node], families: Collection[str]) -> list[str]:
    """The addresses that ExternalDNS publishes for a Service of type NodePort. families: its own, "IPv4" and "IPv6"."""
    return [
        entry["address"]
        for node in sorted(nodes, key=lambda node: node.name)
        for entry in node.status.get("addresses") or ()
        if entry.get("type") == "InternalIP" and ("IPv6" if ":" in entry["address"] else "IPv4") in families
    ]


def unhonoured(service: Service) -> tuple[str, ...]:
    """A sentence for each annotation that is recognised and has no effect here."""
    found = []
    for name in sorted(service.annotations):
        known = TABLE.get(name)
        if known is not None and known.outcome != "honoured":
            verb = "has" if known.outcome == "no meaning here" else "is"
            found.append(f"{name} ({known.cloud}: {known.asks}) {verb} {known.outcome}: {known.here}")
        elif known is None and name.startswith(_FAMILIES):
            found.append(f"{name} is not known")
    spoken = service.annotations.get(f"{AWS}backend-protocol")
    if spoken is not None and str(spoken).lower() not in BACKENDS:
        found.append(f"{AWS}backend-protocol {spoken!r} is not known (expected {', '.join(BACKENDS)}): tcp is spoken")
    if public_names(service) and service.spec.get("type") not in ("LoadBalancer", "NodePort"):
        found.append("a public name is answered for Services of type LoadBalancer and NodePort only")
    return tuple(found)


def as_markdown() -> str:
    """docs/annotations.md."""
    lines = [
        "# Cloud annotations on Services",
        "",
        "Made from the table in `sealane/network/services/annotation_table.py`. What is recognised but not honoured is",
        "said in an Event of the Service (`kubectl describe service`).",
        "",
        "| annotation | cloud | asks for | here | how |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {each.cloud} | {each.asks} | {each.outcome} | {each.here} |" for name, each in TABLE.items()
    ]
    return "\n".join(lines) + "\n"
