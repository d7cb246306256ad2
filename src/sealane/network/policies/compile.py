"""From NetworkPolicy objects to the policy model. Source: the API reference of NetworkPolicy, networking.k8s.io/v1."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector
from sealane.network.policies.model import BlockPeer, Direction, Peer, PodPeer, Policy, PolicyPort, Rule
from sealane.network.provenance import Provenance


def network_policy(policy: Object) -> Policy:
    """Raises ValueError for a CIDR that cannot be read."""
    spec = policy.spec
    types = spec.get("policyTypes")
    if not types:
        # "Policies that contain an egress section are assumed to affect egress, and all policies (whether or not they
        # contain an ingress section) are assumed to affect ingress."
        types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return Policy(
        policy.key,
        LabelSelector.of(spec.get("podSelector") or {}),
        _rules(policy, "ingress", "from") if "Ingress" in types else None,
        _rules(policy, "egress", "to") if "Egress" in types else None,
    )


def _rules(policy: Object, direction: Direction, peers_field: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            tuple(_peer(peer, policy.namespace) for peer in rule.get(peers_field) or ()),
            tuple(_port(port) for port in rule.get("ports") or ()),
            Provenance(policy.key, ("spec", direction, index)),
        )
        for index, rule in enumerate(policy.spec.get(direction) or ())
    )


def _peer(peer: Mapping[str, Any], namespace: str) -> Peer:
    block = peer.get("ipBlock")
    if block is not None:
        excepts = tuple(_cidr(cidr) for cidr in block.get("except") or ())
        return BlockPeer(_cidr(block["cidr"]), excepts)
    pods = LabelSelector.of(peer.get("podSelector") or {})
    selector = peer.get("namespaceSelector")
    return PodPeer(namespace if selector is None else LabelSelector.of(selector), pods)


def _port(port: Mapping[str, Any]) -> PolicyPort:
    number = port.get("port")
    if isinstance(number, str) and number.isdigit():
        number = int(number)
    return PolicyPort(port.get("protocol") or "TCP", number, port.get("endPort"))


def _cidr(text: str) -> str:
    return str(ip_network(text, strict=False))
