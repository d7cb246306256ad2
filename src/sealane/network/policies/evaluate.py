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
from sealane.network.policies.model import BlockPeer, Direction, PolicyPort, Tier
from sealane.network.policies.resolve import Policies, ResolvedPolicy, ResolvedRule
from sealane.network.provenance import Provenance
from sealane.network.reason import Reason


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a connection. pod: None for a node, a pod on its node's network, or anyone outside.

    address: as the other end's rules see it, so after any masquerading. node: where it is; "" outside the cluster.
    """

    address: str
    node: str = ""
    pod: Key | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One direction of a connection: may the subject get it from, or open it to, `peer`? port: of the destination."""

    direction: Direction
    subject: Key
    peer: Party
    destination: Party
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer of one direction. reason.source: the rule that decides, or a policy that isolates; None where there is
    neither. asked: what the question was, where it is no for want of a rule that says yes."""

    direction: Direction
    allowed: bool
    reason: Reason
    asked: Question | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """rulings: egress of the source, then ingress of the destination, as far as they were asked."""

    allowed: bool
    rulings: tuple[Ruling, ...]

    @property
    def reason(self) -> Reason:
        """All that speaks for the answer. Its source: of what denied; else of the last that a policy decided."""
        own = [ruling.reason for ruling in self.rulings if ruling.allowed == self.allowed]
        sources = [reason.source for reason in own if reason.source]
        return Reason("; ".join(reason.text for reason in own), sources[-1] if sources else None)


def party(policies: Policies, pod: Key, family: int = 4) -> Party | None:
    """The pod as a party with its address of that family; None if it has none."""
    found = policies.pods.get(pod)
    for address in found.addresses if found else ():
        if (":" in address) == (family == 6) and found:
            return Party(address, found.node, pod)
    return None


def evaluate(
    policies: Policies, source: Party, destination: Party, protocol: str, port: int, *, both: bool = False
) -> Decision:
    """May `source` open a connection to `destination` there? both: ingress is asked also where egress says no.

    protocol: "TCP", "UDP", "SCTP"; any other (for example "ICMP") passes only rules without ports. destination and
    port: after Service translation, as policies see them.
    """
    if source.pod is not None and source.pod == destination.pod:
        return Decision(True, (Ruling("egress", True, Reason("a pod can always reach itself")),))
    if source.node and source.node == destination.node and (source.pod is None or destination.pod is None):
        direction: Direction = "ingress" if source.pod is None else "egress"
        reason = Reason("traffic between a pod and its own node is always allowed")
        return Decision(True, (Ruling(direction, True, reason),))
    rulings: list[Ruling] = []
    if source.pod is not None:
        rulings.append(_ruling(policies, "egress", source.pod, destination, destination, protocol, port))
    if destination.pod is not None and (both or all(ruling.allowed for ruling in rulings)):
        rulings.append(_ruling(policies, "ingress", destination.pod, source, destination, protocol, port))
    return Decision(all(ruling.allowed for ruling in rulings), tuple(rulings))


def _ruling(
    policies: Policies, direction: Direction, subject: Key, peer: Party, destination: Party, protocol: str, port: int
) -> Ruling:
    """Tier by tier: the first rule that matches decides; Pass, or no rule and no isolation, asks the next tier."""
    isolation = policies.isolation.get(subject)
    keys = isolation.policies(direction) if isolation else ()
    if not keys:
        return Ruling(direction, True, Reason(f"no policy isolates {subject.namespace}/{subject.name} for {direction}"))
    tier: Tier | None = None
    passed = False
    before = ""  # the rules that passed it on
    isolating: list[ResolvedPolicy] = []
    for key in keys:
        resolved = policies.resolved.get(key)
        if resolved is None:
            continue
        if resolved.policy.tier != tier:
            if isolating:
                break
            tier, passed = resolved.policy.tier, False
        if passed:
            continue
        for rule in resolved.rules(direction):
            if rule_matches(rule, peer.address, destination.address, protocol, port):
                who = _who(resolved, rule)
                match rule.rule.verdict:
                    case "Accept":
                        return Ruling(direction, True, Reason(f"{before}{who} allows it", rule.rule.provenance))
                    case "Deny":
                        return Ruling(direction, False, Reason(f"{before}{who} denies it", rule.rule.provenance))
                    case "Pass":
                        passed = True
                        before += f"{who} passes it on; "
                        isolating.clear()
                        break
        else:
            if resolved.policy.otherwise == "Deny":
                isolating.append(resolved)
    if isolating:
        reason = _isolated(direction, subject, peer, isolating, protocol, port)
        asked = Question(direction, subject, peer, destination, protocol, port)
        return Ruling(direction, False, reason._replace(text=before + reason.text), asked)
    text = f"{before}no policy denies {direction} of {subject.namespace}/{subject.name}"
    return Ruling(direction, True, Reason(text))


def _who(resolved: ResolvedPolicy, rule: ResolvedRule) -> str:
    """A rule as sentences name it: with its tier, where it is not a NetworkPolicy's."""
    policy, name = resolved.policy, rule.rule.name
    if policy.tier == "NetworkPolicy":
        return str(policy.key)
    return f"{policy.key} of the {policy.tier.lower()} tier" + (f", rule {name!r}," if name else "")


def _isolated(
    direction: Direction, subject: Key, peer: Party, isolating: list[ResolvedPolicy], protocol: str, port: int
) -> Reason:
    names = [each.policy.key for each in isolating]
    # A policy that allows nothing at all is the one to look at when all deny.
    nothing = next((each.policy.key for each in isolating if not each.rules(direction)), names[0])
    listed = ", ".join(f"{key.namespace}/{key.name}" for key in names)
    wanted = f"{_ends(direction, peer)} on {port}/{protocol}"
    name = f"{subject.namespace}/{subject.name}"
    text = f"{name} is isolated for {direction} by {listed}, and no rule allows traffic {wanted}"
    return Reason(text, Provenance(nothing, ("spec",)))


def _ends(direction: Direction, peer: Party) -> str:
    who = f"{peer.pod.namespace}/{peer.pod.name}" if peer.pod else peer.address
    return f"{'from' if direction == 'ingress' else 'to'} {who}"


def rule_matches(rule: ResolvedRule, peer: str, destination: str, protocol: str, port: int) -> bool:
    """peer, destination: addresses; port: of the destination."""
    if rule.rule.peers and not any(
        block_contains(candidate, peer) if isinstance(candidate, BlockPeer) else peer in members
        for candidate, members in zip(rule.rule.peers, rule.members, strict=True)
    ):
        return False
    return not rule.rule.ports or any(
        (destination, protocol, port) in named if isinstance(wanted.port, str) else port_matches(wanted, protocol, port)
        for wanted, named in zip(rule.rule.ports, rule.named, strict=True)
    )


def port_matches(wanted: PolicyPort, protocol: str, port: int) -> bool:
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
