"""`reach`: whether one pod reaches another, for each ordered pair of pods and each port that the second declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sealane.explain.listening import listeners
from sealane.explain.world import World
from sealane.kube.objects import Key, Object
from sealane.network.pods import addresses, container_ports
from sealane.network.policies import BlockPeer, Party, evaluate, party
from sealane.network.policies.evaluate import block_contains

Identity = tuple[str, tuple[tuple[str, str], ...], tuple[bool, ...]]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pod's way to another's port."""

    source: Key
    destination: Key
    address: str
    port: int
    protocol: str
    allowed: bool


def pairs(world: World, family: int = 4) -> Iterator[Pair]:
    """Every ordered pair of pods with addresses of `family`, by key.

    Pods that no policy can tell apart are asked about once: the work is that of the different kinds of pods, squared.
    """
    pods = [pod for pod in sorted(world.pods.values(), key=lambda pod: pod.key) if pod.key in world.policies.pods]
    kinds: dict[Identity, int] = {}
    identity = identities(world, pods)
    ends = [
        (pod.key, party, kinds.setdefault(identity[pod.key], len(kinds)), ports(world, pod))
        for pod in pods
        if (party := _party(pod, family)) is not None
    ]
    known: dict[tuple[int, int, int, str], bool] = {}
    for source, own, from_kind, _ in ends:
        for destination, other, to_kind, open_ports in ends:
            for port, protocol in open_ports:
                if source == destination:  # A pod always reaches itself, which says nothing about its like.
                    yield Pair(source, destination, other.address, port, protocol, True)
                    continue
                allowed = known.get((from_kind, to_kind, port, protocol))
                if allowed is None:
                    allowed = evaluate(world.policies, own, other, protocol, port).allowed
                    known[from_kind, to_kind, port, protocol] = allowed
                yield Pair(source, destination, other.address, port, protocol, allowed)


def why(world: World, pair: Pair) -> tuple[str, str]:
    """The reason of a pair's verdict, and the file and line, or object and field, that decided."""
    family = 6 if ":" in pair.address else 4
    source, destination = (party(world.policies, key, family) for key in (pair.source, pair.destination))
    if source is None or destination is None:
        return "one of the pods has no address", ""
    reason = evaluate(world.policies, source, destination, pair.protocol, pair.port).reason
    return reason.text, world.at(reason.source)


def identities(world: World, pods: Iterable[Object]) -> dict[Key, Identity]:
    """The facts of each pod that policies can see: namespace, labels, and which address blocks of rules it is in."""
    blocks = sorted(
        {
            peer
            for resolved in world.policies.resolved.values()
            for rule in (*(resolved.policy.ingress or ()), *(resolved.policy.egress or ()))
            for peer in rule.peers
            if isinstance(peer, BlockPeer)
        },
        key=str,
    )
    found: dict[Key, Identity] = {}
    for pod in pods:
        inside = tuple(block_contains(block, address) for block in blocks for address in addresses(pod))
        named = tuple(
            (f"port {port.name}", f"{port.number}/{port.protocol}") for port in container_ports(pod) if port.name
        )
        found[pod.key] = pod.namespace, (*sorted(pod.labels.items()), *named), inside
    return found


def ports(world: World, pod: Object) -> list[tuple[int, str]]:
    """(number, protocol) of the TCP and UDP ports on which something is said to listen."""
    return [(each.port, each.protocol) for each in listeners(world, pod) if each.protocol in ("TCP", "UDP")]


def _party(pod: Object, family: int) -> Party | None:
    address = next((own for own in addresses(pod) if (":" in own) == (family == 6)), None)
    return Party(address, pod.spec.get("nodeName") or "", pod.key) if address else None
