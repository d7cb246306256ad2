"""From AdminNetworkPolicy and BaselineAdminNetworkPolicy objects to the policy model: ClusterNetworkPolicies by their
earlier names.

Source: policy.networking.k8s.io v1alpha1 (v0.1 of sigs.k8s.io/network-policy-api); v0.2 made one kind of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from sealane.network.policies.clusternetworkpolicy import PROTOCOLS, known, peers_of, pod_peer, subject_of
from sealane.network.policies.model import Direction, Policy, PolicyPort, Rule, Tier, Verdict
from sealane.network.provenance import Provenance

if TYPE_CHECKING:
    from sealane.kube.shapes import AdminNetworkPolicy, BaselineAdminNetworkPolicy
    from sealane.kube.shapes.policy_v1alpha1 import (
        AdminNetworkPolicySpecEgress,
        AdminNetworkPolicySpecEgressPorts,
        AdminNetworkPolicySpecIngressFrom,
    )
    from sealane.kube.shapes.policy_v1alpha2 import (
        ClusterNetworkPolicySpecEgressTo,
        ClusterNetworkPolicySpecIngressFrom,
    )

LAST = 1001
"""The priority of the BaselineAdminNetworkPolicy, of which there is one: below all of ClusterNetworkPolicies."""
_VERDICTS: Mapping[str, Verdict] = {"Allow": "Accept", "Deny": "Deny", "Pass": "Pass"}


def admin_network_policy(policy: AdminNetworkPolicy) -> Policy:
    """Raises ValueError for a network that cannot be read."""
    return _policy(policy, "Admin", policy.spec["priority"])


def baseline_admin_network_policy(policy: BaselineAdminNetworkPolicy) -> Policy:
    """Raises ValueError for a network that cannot be read."""
    return _policy(policy, "Baseline", LAST)


def _policy(policy: AdminNetworkPolicy | BaselineAdminNetworkPolicy, tier: Tier, priority: int) -> Policy:
    namespaces, pods = subject_of(_pods(policy.spec["subject"]))
    ingress = tuple(
        Rule(
            tuple(pod_peer(_pods(peer)) for peer in rule["from"]),
            _ports(rule.get("ports")),
            _cause(policy, "ingress", index),
            _VERDICTS[rule["action"]],
            rule.get("name") or "",
        )
        for index, rule in enumerate(policy.spec.get("ingress") or ())
    )
    egress = tuple(
        Rule(
            tuple(peer for each in rule["to"] for peer in peers_of(cast("ClusterNetworkPolicySpecEgressTo", each))),
            _ports(rule.get("ports")),
            _cause(policy, "egress", index),
            _VERDICTS[rule["action"]],
            rule.get("name") or "",
        )
        for index, rule in enumerate(cast("list[AdminNetworkPolicySpecEgress]", policy.spec.get("egress") or []))
    )
    return Policy(policy.key, pods, ingress or None, egress or None, tier, priority, "Pass", namespaces)


def _pods(peer: AdminNetworkPolicySpecIngressFrom) -> ClusterNetworkPolicySpecIngressFrom:
    """The words for peers are the same; a namespaceSelector that may be left out now had to be there."""
    return cast("ClusterNetworkPolicySpecIngressFrom", peer)


def _cause(policy: AdminNetworkPolicy | BaselineAdminNetworkPolicy, direction: Direction, index: int) -> Provenance:
    return Provenance(policy.key, ("spec", direction, index))


def _ports(ports: list[AdminNetworkPolicySpecEgressPorts] | None) -> tuple[PolicyPort, ...]:
    return tuple(port for each in ports or () for port in _port(each))


def _port(port: AdminNetworkPolicySpecEgressPorts) -> Iterator[PolicyPort]:
    """A named port says no protocol: it is the container's, whichever that has."""
    if "namedPort" in port:
        yield from (PolicyPort(name, port["namedPort"]) for name in PROTOCOLS)
    if "portNumber" in port:
        number = port["portNumber"]
        yield PolicyPort(known(number.get("protocol") or "TCP"), number["port"])
    if "portRange" in port:
        span = port["portRange"]
        yield PolicyPort(known(span.get("protocol") or "TCP"), span["start"], span["end"])
