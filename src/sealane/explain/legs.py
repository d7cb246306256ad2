"""The last part of a way: from the client of a connection to one address and port, past policies, to the listener."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sealane.explain.listening import listeners
from sealane.explain.parties import Place
from sealane.explain.steps import Endpoint, Hop, Mark, Outcome, Step
from sealane.explain.world import World
from sealane.kube.objects import Object
from sealane.network import policies
from sealane.network.policies import Decision, Party, Ruling
from sealane.network.policies.nearest import misses

SHOWN = 5
"""The most rules that a denial names, the nearest."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address and port that a connection can end at, after Service translation.

    entry: the node where it was translated, if another's packet came in there. masquerade: it goes on from there with
    that node's address. asked: what a pod asked for, where packets leave its node untranslated: its egress rules see
    them so, and the node gives them its own address.
    """

    address: str
    port: int
    protocol: str
    entry: str = ""
    masquerade: bool = False
    asked: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One candidate's policies and listener. steps end with the first that stops."""

    candidate: Candidate
    endpoint: Endpoint
    steps: tuple[Step, ...]


def leg(world: World, source: Place, candidate: Candidate) -> Leg:
    pod = world.pod_at(candidate.address)
    steps = _policy_steps(world, source, candidate, pod)
    if all(step.mark != "stop" for step in steps):
        steps.append(_listener(world, candidate, pod))
    allowed = all(step.mark != "stop" for step in steps)
    name = f"{pod.namespace}/{pod.name}" if pod else ""
    end = Endpoint(
        candidate.address, candidate.port, candidate.protocol, name, allowed, _seen(world, source, candidate, pod)
    )
    return Leg(candidate, end, tuple(steps))


def _seen(world: World, source: Place, candidate: Candidate, pod: Object | None) -> tuple[str, ...]:
    """The source address that the packets have when they arrive at a pod: the sender's, or that of a node.

    A node has an address in its pods' range, which is the source of what goes to a pod of its own.
    """
    if pod is None:
        return ()
    version = 6 if ":" in candidate.address else 4
    own = source.address(version)
    hosted = source.pod is not None and bool(source.pod.spec.get("hostNetwork"))
    if candidate.asked is not None and not candidate.masquerade:
        worn = world.node_address(source.node, version)
        return (worn,) if worn else ()
    entry = candidate.entry if candidate.masquerade or own == candidate.address else ""
    if source.kind == "node" or hosted:
        entry = entry or source.node
    if not entry:
        return (own,) if own else ()
    near = pod.spec.get("nodeName") == entry and not pod.spec.get("hostNetwork")
    worn = world.pod_side(entry, version) if near else world.node_address(entry, version)
    return (worn,) if worn else ()


def gathered(legs: Sequence[Leg]) -> tuple[Step, ...]:
    """The steps of many legs, those that say the same said once."""
    found: list[Step] = []
    hops: tuple[Hop, ...] = ("egress", "ingress", "pod")
    for hop in hops:
        groups: dict[tuple[Mark, str, Outcome], list[Step]] = {}
        for each in legs:
            for step in each.steps:
                if step.hop == hop:
                    groups.setdefault((step.mark, step.at, step.outcome), []).append(step)
        # What stops comes last, next to the verdict.
        for steps in (groups[key] for key in sorted(groups, key=lambda key: key[0] == "stop")):
            texts = tuple(dict.fromkeys(step.text for step in steps))
            if len(texts) == 1:
                found.append(steps[0])
            else:
                found.append(replace(steps[0], text=f"{texts[0]} (and {len(texts) - 1} more alike)"))
    return tuple(found)


def _policy_steps(world: World, source: Place, candidate: Candidate, pod: Object | None) -> list[Step]:
    version = 6 if ":" in candidate.address else 4
    hosted = pod is None or pod.spec.get("hostNetwork")
    node = world.node_at(candidate.address) or (pod.spec.get("nodeName") or "" if pod else "")
    to = Party(candidate.address, node, None if hosted or pod is None else pod.key)
    own = source.pod if source.pod is not None and not source.pod.spec.get("hostNetwork") else None
    from_ = Party(source.address(version), source.node, own.key if own is not None else None)
    if candidate.asked is not None and own is not None:
        address, port = candidate.asked
        decision = policies.evaluate(world.policies, from_, Party(address, candidate.entry), candidate.protocol, port)
        if decision.allowed:
            last = candidate.entry if candidate.masquerade and node != candidate.entry else source.node
            arrives = Party(world.node_address(last, version), last)
            seen = policies.evaluate(world.policies, arrives, to, candidate.protocol, candidate.port)
            decision = replace(seen, rulings=(*decision.rulings, *seen.rulings))
        return _as_steps(world, decision)
    decision = policies.evaluate(world.policies, from_, to, candidate.protocol, candidate.port, both=True)
    rulings = list(decision.rulings)
    if candidate.masquerade and candidate.entry and node != candidate.entry:
        # The node where it was translated passes it on under its own address, and that is what ingress rules see.
        worn = Party(world.node_address(candidate.entry, version), candidate.entry)
        rulings = [each for each in rulings if each.direction == "egress"]
        if decision.allowed or any(each.direction == "ingress" for each in decision.rulings):
            rulings += policies.evaluate(world.policies, worn, to, candidate.protocol, candidate.port).rulings
    return _as_steps(world, replace(decision, rulings=tuple(rulings)))


def denied_leave(world: World, source: Place, address: str, node: str, protocol: str, port: int) -> list[Step]:
    """Why packets of a pod for an address of another node itself do not leave the pod's node; empty when they do."""
    if source.kind != "pod" or source.pod is None or source.pod.spec.get("hostNetwork") or source.node == node:
        return []
    from_ = Party(source.address(6 if ":" in address else 4), source.node, source.pod.key)
    steps = _as_steps(world, policies.evaluate(world.policies, from_, Party(address, node), protocol, port))
    return [step for step in steps if step.mark == "stop"]


def _as_steps(world: World, decision: Decision) -> list[Step]:
    return [_as_step(world, each) for each in decision.rulings]


def _as_step(world: World, ruling: Ruling) -> Step:
    if ruling.allowed:
        return Step(ruling.direction, "pass", ruling.reason.text, world.at(ruling.reason.source))
    text, at = ruling.reason.text, world.at(ruling.reason.source)
    if ruling.asked is None:
        return Step(ruling.direction, "stop", text, at)
    near = misses(world.policies, ruling.asked, world.labels)
    parts = tuple(Step(ruling.direction, "note", f"{each.policy}: {each.text}", world.at(each.source)) for each in near)
    if near:
        text, at = f"{text}; nearest is {near[0].policy}: {near[0].text}", parts[0].at
    return Step(ruling.direction, "stop", text, at, parts[:SHOWN] if len(near) > 1 else (), asked=(ruling.asked,))


def _listener(world: World, candidate: Candidate, pod: Object | None) -> Step:
    what = f"{candidate.port}/{candidate.protocol}"
    if pod is None:
        node = world.node_at(candidate.address)
        if node:
            return Step("pod", "note", f"{candidate.address} is node {node} itself; what listens there is not known")
        return Step("pod", "note", f"{candidate.address}:{candidate.port} is no pod of this cluster")
    name = f"{pod.namespace}/{pod.name}"
    phase = pod.status.get("phase")
    if phase not in (None, "Running"):
        text = f"{name} is {phase}: nothing listens there"
        return Step("pod", "stop", text, world.where(pod.key), outcome="unreachable")
    known = listeners(world, pod)
    for listener in known:
        if (listener.port, listener.protocol) == (candidate.port, candidate.protocol):
            return Step("pod", "pass", f"{name} listens on {listener}", world.at(listener.cause))
    containers = world.where(pod.key, "spec", "containers")
    if not known:
        return Step(
            "pod", "note", f"{name} declares no ports; whether anything listens on {what} is not known", containers
        )
    listed = ", ".join(map(str, known))
    text = f"{name} declares {listed}: nothing is known to listen on {what}"
    return Step("pod", "stop", text, containers, outcome="refused")
