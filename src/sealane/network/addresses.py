"""The address plan: the ranges of a cluster and the holder of each address.

Every cluster lives in namespaces of its own, so every cluster can use the same plan. IPv4 comes first, as in
`Service.spec.ipFamilies` of a dual-stack cluster with an IPv4 primary family.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

UNDERLAY = (IPv4Network("172.18.0.0/16"), IPv6Network("fd00:172:18::/64"))
PODS = (IPv4Network("10.244.0.0/16"), IPv6Network("fd00:10:244::/48"))
SERVICES = (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112"))
LOAD_BALANCERS = (IPv4Network("172.18.255.0/24"), IPv6Network("fd00:172:18:ff::/112"))
INTERNAL_LOAD_BALANCERS = (IPv4Network("172.18.254.0/24"), IPv6Network("fd00:172:18:fe::/112"))
"""For Services that ask for an internal load balancer: nodes and pods reach them, *outside* has no way there."""
NODE_PORTS = range(30000, 32768)

OUTSIDE = (IPv4Address("172.18.0.1"), IPv6Address("fd00:172:18::1"))
API = (IPv4Address("172.18.0.2"), IPv6Address("fd00:172:18::2"))
API_PORT = 6443
KUBERNETES_SERVICE = IPv4Address("10.96.0.1")
DNS_SERVICE = (IPv4Address("10.96.0.10"), IPv6Address("fd00:10:96::a"))
CLUSTER_DOMAIN = "cluster.local"

POD_GATEWAY = (IPv4Address("169.254.1.1"), IPv6Address("fe80::1"))
"""Next hop of every pod: link-local, answered by the node's end of the pod's veth."""

MAX_NODES = 200


class NodePlan(msgspec.Struct, frozen=True):
    """The addresses and ranges of node number `index` (1-based).

    addresses: its underlay addresses. pod_cidrs: its pods' ranges, whose first host is the node's own in that range.
    """

    index: int
    name: str
    addresses: tuple[IPv4Address, IPv6Address]
    pod_cidrs: tuple[IPv4Network, IPv6Network]

    @property
    def pod_side(self) -> tuple[IPv4Address, IPv6Address]:
        """The node's own address in each pod range, the source of what the node itself sends to pods."""
        v4, v6 = self.pod_cidrs
        return v4[1], v6[1]


def canonical_cidr(text: str) -> str:
    """A range without what its mask hides: "10.0.0.0/8" of "10.1.2.3/8". Raises ValueError."""
    return str(ip_network(text, strict=False))


def node_name(index: int) -> str:
    return f"node-{index}"


def plan_node(index: int) -> NodePlan:
    """Raises ValueError outside 1…MAX_NODES."""
    if not 1 <= index <= MAX_NODES:
        raise ValueError(f"a cluster has 1 to {MAX_NODES} nodes, not {index}")
    return NodePlan(
        index,
        node_name(index),
        (IPv4Address(f"172.18.1.{index}"), IPv6Address(f"fd00:172:18::1:{index:x}")),
        (IPv4Network(f"10.244.{index}.0/24"), IPv6Network(f"fd00:10:244:{index:x}::/64")),
    )


def family(address: str) -> int:
    """4 or 6."""
    return ip_address(address).version


def is_internal(address: str) -> bool:
    """Is this an address of the internal load-balancer pool?"""
    found = ip_address(address)
    return any(found in each for each in INTERNAL_LOAD_BALANCERS if each.version == found.version)


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_canonical_v4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}").fullmatch


@lru_cache(maxsize=1 << 16)
def _parsed(address: str) -> str:
    return str(ip_address(address))


def canonical(address: str) -> str:
    """The one way to write an address (RFC 5952 for IPv6). Raises ValueError."""
    return address if _canonical_v4(address) else _parsed(address)
