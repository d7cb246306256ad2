"""Whom the selectors of policies mean at this moment.

the fields of each pod that policies read; which policies isolate each pod; the addresses of each peer that any policy
names; and each policy with those. A pod's change touches the peers it is or was part of, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from sealane.kube import kinds
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.network.pods import container_ports, is_over, own_addresses
from sealane.network.policies.model import (
    BlockPeer,
    Direction,
    NodePeer,
    PodPeer,
    Policy,
    PolicyPort,
    Rule,
    SelectedPeer,
    Tier,
)
from sealane.network.policies.networkpolicy import network_policy
from sealane.reactive.collections import Collection, Fetch, derive
from sealane.reactive.groups import group

if TYPE_CHECKING:
    from sealane.kube.shapes import Namespace, NetworkPolicy, Node, Pod

AddressPort = tuple[str, str, int]
"""(address, protocol, port)."""

Given = tuple[str, tuple[str, ...]]
"""(uid of a pod, the addresses its node has given it), which its status does not say yet."""

CLUSTER_POLICIES = (kinds.CLUSTERNETWORKPOLICY, kinds.ADMINNETWORKPOLICY, kinds.BASELINEADMINNETWORKPOLICY)
"""The kinds of policies without a namespace."""

_NOBODY: frozenset[str] = frozenset()
_NONE: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyPod:
    """A pod with addresses of its own. named_ports: (name, protocol, port) of its containers and sidecars."""

    key: Key
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    node: str
    named_ports: tuple[tuple[str, str, int], ...]

    @property
    def namespace(self) -> str:
        return self.key.namespace


@dataclass(frozen=True, slots=True)
class Isolation:
    """A pod and the policies that are asked about its traffic, in their order. Empty in a direction: none is.

    admin, baseline: those of them that are of these tiers; the rest are NetworkPolicies.
    """

    pod: Key
    node: str
    addresses: tuple[str, ...]
    ingress: tuple[Key, ...]
    egress: tuple[Key, ...]
    admin: frozenset[Key] = frozenset()
    baseline: frozenset[Key] = frozenset()

    def policies(self, direction: Direction, tier: Tier | None = None) -> tuple[Key, ...]:
        """Those of one tier, or of all."""
        keys = self.ingress if direction == "ingress" else self.egress
        if tier is None or not (self.admin or self.baseline):
            return keys if tier in (None, "NetworkPolicy") else ()
        return tuple(key for key in keys if self._tier(key) == tier)

    def _tier(self, key: Key) -> Tier:
        return "Admin" if key in self.admin else "Baseline" if key in self.baseline else "NetworkPolicy"


@dataclass(frozen=True, slots=True)
class ResolvedRule:
    """A rule with the addresses its peers have now.

    members: for each peer of `rule`, the addresses of its pods or nodes; empty for a block.
    named: the targets of named ports: for each port of `rule`, the destinations that have a port of that name; empty
        for the others. The targets are the policy's own pods (ingress) or the peers' pods (egress).
    """

    rule: Rule
    members: tuple[frozenset[str], ...]
    named: tuple[frozenset[AddressPort], ...]


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    policy: Policy
    ingress: tuple[ResolvedRule, ...]
    egress: tuple[ResolvedRule, ...]

    def rules(self, direction: Direction) -> tuple[ResolvedRule, ...]:
        return self.ingress if direction == "ingress" else self.egress


@dataclass(frozen=True, slots=True)
class Policies:
    """All that is known of policies, as collections that follow their objects.

    members: the addresses of each peer's pods or nodes; a peer that several rules name is there once.
    """

    pods: Collection[Key, PolicyPod]
    isolation: Collection[Key, Isolation]
    members: Collection[SelectedPeer, frozenset[str]]
    resolved: Collection[Key, ResolvedPolicy]


def derive_policies(
    policies: Collection[Key, NetworkPolicy],
    pods: Collection[Key, Pod],
    namespaces: Collection[Key, Namespace],
    given: Collection[Key, Given] | None = None,
    cluster_policies: Sequence[Collection[Key, Object]] = (),
    nodes: Collection[Key, Node] | None = None,
) -> Policies:
    """policies: NetworkPolicy objects. Namespaces are selected by the labels of their objects. given: by pod.

    cluster_policies: objects of the kinds of `CLUSTER_POLICIES`.
    """

    def peer_pod(key: Key, pod: Pod, fetch: Fetch) -> PolicyPod | None:
        return policy_pod(pod, fetch.get(given, key) if given is not None else None)

    peers: Collection[Key, PolicyPod] = derive("policy pods", pods, peer_pod)
    read: Sequence[tuple[Collection[Key, Any], Any]] = [(each, _own_key) for each in (policies, *cluster_policies)]
    compiled: Collection[Key, Policy] = group("policies", read, lambda _key, found: _compiled(next(iter(found))))

    # Whether there is any policy of the cluster: without one, no pod pays for looking.
    tiered: Collection[str, bool] = group("tiers", [(compiled, _of_cluster)], lambda _one, _policies: True)

    def isolation(key: Key, pod: PolicyPod, fetch: Fetch) -> Isolation | None:
        found = fetch(compiled, namespace=pod.namespace, selecting=pod.labels, selector_of=_subject)
        wide: list[Policy] = []
        if fetch.get(tiered, "") is not None:
            wide = fetch(compiled, namespace="", selecting=pod.labels, selector_of=_subject)
        if wide:
            space = fetch.get(namespaces, Key("", "Namespace", "", pod.namespace))
            found = [*found, *(policy for policy in wide if _selects(policy.namespaces, space))]
        own = sorted(found, key=lambda policy: policy.order)
        return Isolation(
            key,
            pod.node,
            pod.addresses,
            tuple(policy.key for policy in own if policy.ingress is not None),
            tuple(policy.key for policy in own if policy.egress is not None),
            frozenset(policy.key for policy in own if policy.tier == "Admin") if wide else _NONE,
            frozenset(policy.key for policy in own if policy.tier == "Baseline") if wide else _NONE,
        )

    def members(peer: SelectedPeer, _same: SelectedPeer, fetch: Fetch) -> frozenset[str]:
        if isinstance(peer, NodePeer):
            found = fetch(nodes, selector=peer.nodes) if nodes is not None else []
            return frozenset(address for node in found for address in _node_addresses(node))
        return frozenset(address for pod in _peer_pods(peer, peers, namespaces, fetch) for address in pod.addresses)

    named: Collection[SelectedPeer, SelectedPeer] = group(
        "peers", [(compiled, _peers_of)], lambda peer, _policies: peer
    )
    addresses: Collection[SelectedPeer, frozenset[str]] = derive("peer members", named, members)

    def resolved(_key: Key, policy: Policy, fetch: Fetch) -> ResolvedPolicy:
        def of(direction: Direction) -> tuple[ResolvedRule, ...]:
            return tuple(
                ResolvedRule(
                    rule,
                    tuple(
                        (fetch.get(addresses, peer) or _NOBODY) if isinstance(peer, SelectedPeer) else _NOBODY
                        for peer in rule.peers
                    ),
                    tuple(
                        _named(port, _destinations(policy, rule, direction, peers, namespaces, fetch))
                        if isinstance(port.port, str)
                        else frozenset()
                        for port in rule.ports
                    ),
                )
                for rule in policy.rules(direction) or ()
            )

        return ResolvedPolicy(policy, of("ingress"), of("egress"))

    return Policies(
        peers, derive("isolation", peers, isolation), addresses, derive("resolved policies", compiled, resolved)
    )


def policy_pod(pod: Pod, given: Given | None = None) -> PolicyPod | None:
    """None for pods without an address of their own: on the host's network ("not subject", and peers by address
    only), not yet started, or ended (their addresses may be another's by now)."""
    if pod.spec.get("hostNetwork") or is_over(pod):
        return None
    addresses = own_addresses(pod)
    if given is not None and given[0] == pod.uid:
        addresses = given[1]
    if not addresses:
        return None
    named = tuple((port.name, port.protocol, port.number) for port in container_ports(pod) if port.name)
    return PolicyPod(pod.key, pod.labels, addresses, pod.spec.get("nodeName") or "", named)


def _subject(policy: Policy) -> LabelSelector:
    return policy.pods


def _own_key(policy: Object) -> tuple[Key]:
    return (policy.key,)


def _of_cluster(policy: Policy) -> tuple[str, ...]:
    return () if policy.namespaces is None else ("",)


def _compiled(policy: Any) -> Policy:
    """Most clusters have NetworkPolicies only: what reads the others is imported for the first of them."""
    match policy.kind:
        case "ClusterNetworkPolicy":
            from sealane.network.policies.clusternetworkpolicy import cluster_network_policy

            return cluster_network_policy(policy)
        case "AdminNetworkPolicy":
            from sealane.network.policies.adminnetworkpolicy import admin_network_policy

            return admin_network_policy(policy)
        case "BaselineAdminNetworkPolicy":
            from sealane.network.policies.adminnetworkpolicy import baseline_admin_network_policy

            return baseline_admin_network_policy(policy)
        case _:
            return network_policy(policy)


def _selects(namespaces: LabelSelector | None, namespace: Namespace | None) -> bool:
    """As for peers: a namespace without an object is selected by what selects all."""
    if namespaces is None or not namespaces.requirements:
        return True
    return namespace is not None and namespaces.matches(namespace.labels)


def _node_addresses(node: Node) -> Iterable[str]:
    """On the underlay, and as its own pods see it: the first of each of their ranges."""
    yield from (each["address"] for each in node.status.get("addresses") or () if each["type"] == "InternalIP")
    yield from (str(ip_network(cidr)[1]) for cidr in node.spec.get("podCIDRs") or ())


def _peers_of(policy: Policy) -> set[SelectedPeer]:
    rules = (*(policy.ingress or ()), *(policy.egress or ()))
    return {peer for rule in rules for peer in rule.peers if isinstance(peer, SelectedPeer)}


def _peer_pods(
    peer: PodPeer, pods: Collection[Key, PolicyPod], namespaces: Collection[Key, Namespace], fetch: Fetch
) -> list[PolicyPod]:
    if isinstance(peer.namespaces, str):
        return fetch(pods, namespace=peer.namespaces, selector=peer.pods)
    if not peer.namespaces.requirements:
        return fetch(pods, selector=peer.pods)
    return [
        pod
        for namespace in fetch(namespaces, selector=peer.namespaces)
        for pod in fetch(pods, namespace=namespace.name, selector=peer.pods)
    ]


def _destinations(
    policy: Policy,
    rule: Rule,
    direction: Direction,
    pods: Collection[Key, PolicyPod],
    namespaces: Collection[Key, Namespace],
    fetch: Fetch,
) -> list[PolicyPod]:
    """The pods whose containers' port names a rule can mean."""
    if direction == "ingress":
        return _peer_pods(policy.subject, pods, namespaces, fetch)
    if not rule.peers or any(isinstance(peer, BlockPeer) for peer in rule.peers):
        return fetch(pods, selector=LabelSelector())
    peers = [peer for peer in rule.peers if isinstance(peer, PodPeer)]
    return [pod for peer in peers for pod in _peer_pods(peer, pods, namespaces, fetch)]


def _named(port: PolicyPort, pods: Iterable[PolicyPod]) -> frozenset[AddressPort]:
    return frozenset(
        (address, protocol, number)
        for pod in pods
        for name, protocol, number in pod.named_ports
        if name == port.port and protocol == port.protocol
        for address in pod.addresses
    )
