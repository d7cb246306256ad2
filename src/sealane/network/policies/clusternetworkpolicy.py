"""From ClusterNetworkPolicy objects to the policy model: the tiers before NetworkPolicies and after them.

Source: policy.networking.k8s.io v1beta1 and v1alpha2, whose shapes are the same (the API reference of
sigs.k8s.io/network-policy-api; NPEP-122 for the tiers).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import canonical_cidr
from sealane.network.policies.model import (
    BlockPeer,
    Direction,
    DomainPeer,
    NodePeer,
    Peer,
    PodPeer,
    Policy,
    PolicyPort,
    PortProtocol,
    Rule,
)
from sealane.network.provenance import Provenance

if TYPE_CHECKING:
    from sealane.kube.shapes import ClusterNetworkPolicy
    from sealane.kube.shapes.policy_v1alpha2 import (
        ClusterNetworkPolicySpecEgressProtocols,
        ClusterNetworkPolicySpecEgressTo,
        ClusterNetworkPolicySpecIngressFrom,
    )

PROTOCOLS: tuple[PortProtocol, ...] = ("TCP", "UDP", "SCTP")


def cluster_network_policy(policy: ClusterNetworkPolicy) -> Policy:
    """Raises ValueError for a network that cannot be read."""
    spec = policy.spec
    namespaces, pods = subject_of(spec["subject"])
    return Policy(
        policy.key,
        pods,
        _rules(policy, "ingress") or None,
        _rules(policy, "egress") or None,
        spec["tier"],
        spec["priority"],
        "Pass",
        namespaces,
    )


def _rules(policy: ClusterNetworkPolicy, direction: Direction) -> tuple[Rule, ...]:
    found: list[Rule] = []
    if direction == "ingress":
        for index, rule in enumerate(policy.spec.get("ingress") or ()):
            peers = tuple(pod_peer(peer) for peer in rule["from"])
            cause = Provenance(policy.key, ("spec", direction, index))
            found.append(Rule(peers, _ports(rule.get("protocols")), cause, rule["action"], rule.get("name") or ""))
        return tuple(found)
    for index, out in enumerate(policy.spec.get("egress") or ()):
        to = tuple(peer for each in out["to"] for peer in peers_of(each))
        cause = Provenance(policy.key, ("spec", direction, index))
        found.append(Rule(to, _ports(out.get("protocols")), cause, out["action"], out.get("name") or ""))
    return tuple(found)


def subject_of(subject: ClusterNetworkPolicySpecIngressFrom) -> tuple[LabelSelector, LabelSelector]:
    """Which namespaces, and which pods of them."""
    pods = subject.get("pods")
    if pods is None:
        return LabelSelector.of(subject.get("namespaces") or {}), LabelSelector()
    return LabelSelector.of(pods.get("namespaceSelector") or {}), LabelSelector.of(pods["podSelector"])


def pod_peer(peer: ClusterNetworkPolicySpecIngressFrom) -> Peer:
    return PodPeer(*subject_of(peer))


def peers_of(peer: ClusterNetworkPolicySpecEgressTo) -> Iterator[Peer]:
    if "nodes" in peer:
        yield NodePeer(LabelSelector.of(peer["nodes"]))
    yield from (BlockPeer(canonical_cidr(cidr), ()) for cidr in peer.get("networks") or ())
    yield from (DomainPeer(name) for name in peer.get("domainNames") or ())
    if "pods" in peer:
        yield PodPeer(*subject_of({"pods": peer["pods"]}))
    if "namespaces" in peer:
        yield PodPeer(*subject_of({"namespaces": peer["namespaces"]}))


def _ports(protocols: list[ClusterNetworkPolicySpecEgressProtocols] | None) -> tuple[PolicyPort, ...]:
    return tuple(port for each in protocols or () for port in _port(each))


def _port(protocol: ClusterNetworkPolicySpecEgressProtocols) -> Iterator[PolicyPort]:
    """A named port says no protocol: it is the container's, whichever that has."""
    if "destinationNamedPort" in protocol:
        yield from (PolicyPort(name, protocol["destinationNamedPort"]) for name in PROTOCOLS)
    for name, detail in (("TCP", protocol.get("tcp")), ("UDP", protocol.get("udp")), ("SCTP", protocol.get("sctp"))):
        if detail is None:
            continue
        port = detail.get("destinationPort") or {}
        span = port.get("range")
        if span is not None:
            yield PolicyPort(known(name), span["start"], span["end"])
        else:
            yield PolicyPort(known(name), port.get("number"))


def known(name: str) -> PortProtocol:
    return next(each for each in PROTOCOLS if each == name)
