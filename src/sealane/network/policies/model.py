"""The policy model: frozen values, no rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector
from sealane.network.provenance import Provenance

Direction = Literal["ingress", "egress"]
Verdict = Literal["Accept", "Deny", "Pass"]
"""Pass: this tier has no say, the next one is asked."""
Tier = Literal["Admin", "NetworkPolicy", "Baseline"]
TIERS: tuple[Tier, ...] = ("Admin", "NetworkPolicy", "Baseline")
"""In the order in which they are asked (the ClusterNetworkPolicy API of sigs.k8s.io/network-policy-api)."""
PortProtocol = Literal["TCP", "UDP", "SCTP"]


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods that `pods` selects, in one namespace (a name) or in all namespaces that a selector selects."""

    namespaces: str | LabelSelector
    pods: LabelSelector

    def __str__(self) -> str:
        where = self.namespaces if isinstance(self.namespaces, str) else f"namespaces {self.namespaces}"
        return f"pods {self.pods} of {where}"


@dataclass(frozen=True, slots=True)
class BlockPeer:
    """Addresses of `cidr` outside `excepts`, pods or not. Canonical CIDR text."""

    cidr: str
    excepts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.cidr} except {', '.join(self.excepts)}" if self.excepts else self.cidr


@dataclass(frozen=True, slots=True)
class NodePeer:
    """The nodes that `nodes` selects, by their own addresses, which pods on their network share."""

    nodes: LabelSelector

    def __str__(self) -> str:
        return f"nodes {self.nodes}"


@dataclass(frozen=True, slots=True)
class DomainPeer:
    """A domain name. What it stands for is not followed: no address matches."""

    name: str

    def __str__(self) -> str:
        return f"domain name {self.name} (not followed)"


SelectedPeer = PodPeer | NodePeer
"""Peers whose addresses follow objects."""
Peer = SelectedPeer | BlockPeer | DomainPeer


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """port: a number, a name that each destination pod resolves for itself, or None for every port of the protocol.

    end: last port of a range that starts at `port`.
    """

    protocol: PortProtocol
    port: int | str | None
    end: int | None = None

    def __str__(self) -> str:
        port = "any port" if self.port is None else f"{self.port}-{self.end}" if self.end else str(self.port)
        return f"{port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on traffic from (ingress) or to (egress) any of `peers` on any of `ports`. None of either: all.

    name: the rule's own; "" without one.
    """

    peers: tuple[Peer, ...]
    ports: tuple[PolicyPort, ...]
    provenance: Provenance
    verdict: Verdict = "Accept"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy object. ingress, egress: its rules, or None where it has no say in that direction.

    tier, priority: when it is asked; of the policies of a tier the one with the least priority first, of equal ones by
    name. otherwise: its verdict on traffic that no rule of its tier matches: Deny for NetworkPolicies, which isolate.
    namespaces: those of its pods; None for its own namespace.
    """

    key: Key
    pods: LabelSelector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None
    tier: Tier = "NetworkPolicy"
    priority: int = 0
    otherwise: Verdict = "Deny"
    namespaces: LabelSelector | None = None

    @property
    def order(self) -> tuple[int, int, Key]:
        """Sort key of policies: the first is asked first."""
        return TIERS.index(self.tier), self.priority, self.key

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def subject(self) -> PodPeer:
        return PodPeer(self.key.namespace if self.namespaces is None else self.namespaces, self.pods)

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        return self.ingress if direction == "ingress" else self.egress
