"""Whether one party may open a connection to another, and which rule says so.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/ ("The two sorts of pod isolation"):
traffic needs the leave of both the source's egress and the destination's ingress; policies add up, order does not
matter; replies are always allowed; a pod cannot be cut off from itself nor from its own node.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from sealane.kube.objects import Key
from sealane.network.policies.model import BlockPeer, Direction, PolicyPort
from sealane.network.policies.resolve import Policies, ResolvedRule
from sealane.network.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection. pod: None for a node, a pod on its node's network, or anyone outside.

    address: as the other end's rules see it, so after any masquerading. node: where it is; "" outside the cluster.
    """

    address: str
    node: str = ""
    pod: Key | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The answer of one direction. provenance: the rule that allows, or a policy that isolates; None if no policy
    has a say."""

    direction: Direction
    allowed: bool
    reason: str
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """steps: egress of the source, then ingress of the destination, as far as they were asked."""

    allowed: bool
    steps: tuple[Step, ...]

    @property
    def reason(self) -> str:
        return "; ".join(step.reason for step in self.steps if step.allowed == self.allowed)

    @property
    def provenance(self) -> Provenance | None:
        """Of the step that denied; of the last one that a policy decided otherwise."""
        decided = [step.provenance for step in self.steps if step.allowed == self.allowed and step.provenance]
        return decided[-1] if decided else None


def party(policies: Policies, pod: Key, family: int = 4) -> Party | None:
    """The pod as a party with its address of that family; None if it has none."""
    found = policies.pods.get(pod)
    for address in found.addresses if found else ():
        if (":" in address) == (family == 6) and found:
            return Party(address, found.node, pod)
    return None


def evaluate(policies: Policies, source: Party, destination: Party, protocol: str, port: int) -> Verdict:
    """May `source` open a connection to `destination` there?

    protocol: "TCP", "UDP", "SCTP"; any other (for example "ICMP") passes only rules without ports. destination and
    port: after Service translation, as policies see them.
    """
    if source.pod is not None and source.pod == destination.pod:
        return Verdict(True, (Step("egress", True, "a pod can always reach itself"),))
    if source.node and source.node == destination.node and (source.pod is None or destination.pod is None):
        direction: Direction = "ingress" if source.pod is None else "egress"
        return Verdict(True, (Step(direction, True, "traffic between a pod and its own node is always allowed"),))
    steps: list[Step] = []
    if source.pod is not None:
        steps.append(_step(policies, "egress", source.pod, destination, destination, protocol, port))
    if destination.pod is not None and all(step.allowed for step in steps):
        steps.append(_step(policies, "ingress", destination.pod, source, destination, protocol, port))
    return Verdict(all(step.allowed for step in steps), tuple(steps))


def _step(
    policies: Policies, direction: Direction, subject: Key, peer: Party, destination: Party, protocol: str, port: int
) -> Step:
    isolation = policies.isolation.get(subject)
    names = isolation.policies(direction) if isolation else ()
    name = f"{subject.namespace}/{subject.name}"
    if not names:
        return Step(direction, True, f"no policy isolates {name} for {direction}")
    nothing: Key | None = None  # A policy that allows nothing at all is the one to look at when all deny.
    for key in names:
        resolved = policies.resolved.get(key)
        if resolved is not None:
            if not resolved.rules(direction) and nothing is None:
                nothing = key
            for rule in resolved.rules(direction):
                if rule_allows(rule, peer.address, destination.address, protocol, port):
                    return Step(direction, True, f"{key} allows it", rule.rule.provenance)
    listed = ", ".join(f"{key.namespace}/{key.name}" for key in names)
    wanted = f"{_ends(direction, peer)} on {port}/{protocol}"
    reason = f"{name} is isolated for {direction} by {listed}, and no rule allows traffic {wanted}"
    return Step(direction, False, reason, Provenance(nothing or names[0], ("spec",)))


def _ends(direction: Direction, peer: Party) -> str:
    who = f"{peer.pod.namespace}/{peer.pod.name}" if peer.pod else peer.address
    return f"{'from' if direction == 'ingress' else 'to'} {who}"


def rule_allows(rule: ResolvedRule, peer: str, destination: str, protocol: str, port: int) -> bool:
    """peer, destination: addresses; port: of the destination."""
    if rule.rule.peers and not any(
        block_contains(candidate, peer) if isinstance(candidate, BlockPeer) else peer in members
        for candidate, members in zip(rule.rule.peers, rule.members, strict=True)
    ):
        return False
    return not rule.rule.ports or any(
        (destination, protocol, port) in named
        if isinstance(wanted.port, str)
        else _port_matches(wanted, protocol, port)
        for wanted, named in zip(rule.rule.ports, rule.named, strict=True)
    )


def _port_matches(wanted: PolicyPort, protocol: str, port: int) -> bool:
    if wanted.protocol != protocol:
        return False
    if wanted.port is None:
        return True
    assert isinstance(wanted.port, int)
    return wanted.port <= port <= (wanted.end or wanted.port)


@lru_cache(maxsize=1 << 16)
def block_contains(block: BlockPeer, address: str) -> bool:
    """Is the address in the block and in none of its exceptions?"""
    parsed = ip_address(address)
    return parsed in ip_network(block.cidr) and not any(parsed in ip_network(cidr) for cidr in block.excepts)
