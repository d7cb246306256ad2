"""From NetworkPolicy objects to the policy model. Source: the API reference of NetworkPolicy, networking.k8s.io/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import canonical_cidr
from sealane.network.policies.model import BlockPeer, Direction, Peer, PodPeer, Policy, PolicyPort, Rule
from sealane.network.provenance import Provenance

if TYPE_CHECKING:
    from sealane.kube.shapes import NetworkPolicy
    from sealane.kube.shapes.networking_v1 import NetworkPolicyPeer, NetworkPolicyPort


def network_policy(policy: NetworkPolicy) -> Policy:
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
        _rules(policy, "ingress") if "Ingress" in types else None,
        _rules(policy, "egress") if "Egress" in types else None,
    )


def _rules(policy: NetworkPolicy, direction: Direction) -> tuple[Rule, ...]:
    if direction == "ingress":
        rules = [(rule.get("from"), rule.get("ports")) for rule in policy.spec.get("ingress") or ()]
    else:
        rules = [(rule.get("to"), rule.get("ports")) for rule in policy.spec.get("egress") or ()]
    return tuple(
        Rule(
            tuple(_peer(peer, policy.namespace) for peer in peers or ()),
            tuple(_port(port) for port in ports or ()),
            Provenance(policy.key, ("spec", direction, index)),
        )
        for index, (peers, ports) in enumerate(rules)
    )


def _peer(peer: NetworkPolicyPeer, namespace: str) -> Peer:
    block = peer.get("ipBlock")
    if block is not None:
        excepts = tuple(canonical_cidr(cidr) for cidr in block.get("except") or ())
        return BlockPeer(canonical_cidr(block["cidr"]), excepts)
    pods = LabelSelector.of(peer.get("podSelector") or {})
    selector = peer.get("namespaceSelector")
    return PodPeer(namespace if selector is None else LabelSelector.of(selector), pods)


def _port(port: NetworkPolicyPort) -> PolicyPort:
    number = port.get("port")
    if isinstance(number, str) and number.isdigit():
        number = int(number)
    return PolicyPort(port.get("protocol") or "TCP", number, port.get("endPort"))
