"""Hints: the zones and nodes that an endpoint is meant for, so that traffic stays near.

Sources: `trafficDistribution` (KEP-4444, KEP-3015); the annotation service.kubernetes.io/topology-mode (KEP-2433 and
https://kubernetes.io/docs/concepts/services-networking/topology-aware-routing/#constraints), which goes first when a
Service has both. A node's zone is its label topology.kubernetes.io/zone. Only ready endpoints have hints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Literal

import msgspec

from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.kube.shapes import Node, Service
    from sealane.kube.shapes.discovery_v1 import Endpoint, EndpointHints

ZONE = "topology.kubernetes.io/zone"
MODE = "service.kubernetes.io/topology-mode"
OLD_MODE = "service.kubernetes.io/topology-aware-hints"
OVERLOAD = 0.2
"""How much more than its share a zone's endpoints may have to bear (KEP-2433)."""

Nearness = Literal["", "zone", "node", "auto"]
_DISTRIBUTIONS: Mapping[str, Nearness] = {"PreferClose": "zone", "PreferSameZone": "zone", "PreferSameNode": "node"}


def nearness(service: Service) -> Nearness:
    """The nearness that a Service asks for; "" for traffic to any endpoint."""
    annotations = service.metadata.get("annotations") or {}
    if annotations.get(MODE, annotations.get(OLD_MODE)) in ("Auto", "auto"):
        return "auto"
    return _DISTRIBUTIONS.get(service.spec.get("trafficDistribution") or "", "")


def add_hints(near: Nearness, slices: Iterable[Raw], capacity: Mapping[str, float]) -> None:
    """Writes hints into new slices of one Service. capacity: CPUs of each zone's nodes (only "auto" asks), empty when a
    node has no zone."""
    families: dict[str, list[Endpoint]] = {}
    for each in slices:
        ready = (endpoint for endpoint in each["endpoints"] if endpoint["conditions"]["ready"])
        families.setdefault(each["addressType"], []).extend(ready)
    for endpoints in families.values():
        if near == "auto":
            _share(endpoints, capacity)
            continue
        for endpoint in endpoints if near else ():
            hints: EndpointHints = {}
            if endpoint.get("zone"):
                hints["forZones"] = [{"name": endpoint["zone"]}]
            if near == "node" and endpoint.get("nodeName"):
                hints["forNodes"] = [{"name": endpoint["nodeName"]}]
            if hints:
                endpoint["hints"] = hints


def why_not_shared(zones: Sequence[str], capacity: Mapping[str, float]) -> str:
    """Why endpoints in these zones cannot be shared out, in Kubernetes' own words; "" when they can.

    Source: TopologyCache.getAllocations and AddHints of k8s.io/endpointslice/topologycache.
    """
    if not capacity:
        return "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
    if len(capacity) < 2:
        return "Nodes only ready in one zone"
    if len(capacity) > len(zones):
        return f"Insufficient number of endpoints ({len(zones)} endpoints, {len(capacity)} zones)"
    if sum(_least(len(zones), capacity).values()) > len(zones):
        return "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
    if any(zone not in capacity for zone in zones):
        return "One or more endpoints do not have a zone specified"
    return ""


def _shares(total: int, capacity: Mapping[str, float]) -> dict[str, float]:
    return {zone: total * cpus / sum(capacity.values()) for zone, cpus in capacity.items()}


def _least(total: int, capacity: Mapping[str, float]) -> dict[str, int]:
    """The number of `total` endpoints that each zone needs."""
    return {zone: ceil(share / (1 + OVERLOAD)) for zone, share in _shares(total, capacity).items()}


def _share(endpoints: list[Endpoint], capacity: Mapping[str, float]) -> None:
    """Each zone gets endpoints by its share of the CPUs, its own first; no hints at all where that cannot be."""
    if why_not_shared([endpoint.get("zone") or "" for endpoint in endpoints], capacity):
        return
    shares, least = _shares(len(endpoints), capacity), _least(len(endpoints), capacity)
    meant = {index: endpoint["zone"] for index, endpoint in enumerate(endpoints)}
    counts = Counter(meant.values())
    for zone in sorted(capacity):
        while counts[zone] < least[zone]:
            able = sorted(each for each in capacity if counts[each] > least[each])
            giver = max(able, key=lambda each: counts[each] - shares[each])
            index = max(index for index, given in meant.items() if given == giver)
            meant[index] = zone
            counts[giver] -= 1
            counts[zone] += 1
    for index, zone in meant.items():
        endpoints[index]["hints"] = {"forZones": [{"name": zone}]}


class NodeShare(msgspec.Struct, frozen=True):
    """A node as hints read it. zone: "" without one. cpus: those for pods; 0 for a node of the control plane."""

    zone: str
    cpus: float


def node_share(node: Node) -> NodeShare:
    text = str((node.status.get("allocatable") or {}).get("cpu") or 0)
    cpus = float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    return NodeShare(node.labels.get(ZONE, ""), 0 if "node-role.kubernetes.io/control-plane" in node.labels else cpus)


def zone_capacity(nodes: Iterable[NodeShare]) -> dict[str, float]:
    """CPUs of each zone; empty when a node that takes pods has no zone."""
    found: dict[str, float] = {}
    for node in nodes:
        if node.cpus:
            found[node.zone] = found.get(node.zone, 0.0) + node.cpus
    return {} if "" in found else found
