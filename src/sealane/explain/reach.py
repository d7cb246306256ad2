"""`reach`: who can reach whom, for every ordered pair of pods and every port that the second declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sealane.explain.legs import container_ports
from sealane.explain.world import World, pod_addresses
from sealane.kube.objects import Key, Object
from sealane.network.policies import BlockPeer, Party, Verdict, evaluate
from sealane.network.policies.evaluate import block_contains

Identity = tuple[str, tuple[tuple[str, str], ...], tuple[bool, ...]]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pod's way to another's port. reason and at: of the policy step that decided."""

    source: Key
    destination: Key
    address: str
    port: int
    protocol: str
    allowed: bool
    reason: str
    at: str


def pairs(world: World, family: int = 4) -> Iterator[Pair]:
    """Every ordered pair of pods with addresses of `family`, by key.

    Pods that no policy can tell apart are asked about once: the work is that of the different kinds of pods, squared.
    """
    pods = [pod for pod in sorted(world.pods.values(), key=lambda pod: pod.key) if pod.key in world.policies.pods]
    identity = identities(world, pods)
    known: dict[tuple[Identity, Identity, int, str], Verdict] = {}
    for source in pods:
        own = _address(source, family)
        for destination in pods:
            address = _address(destination, family)
            if not own or not address:
                continue
            for port, protocol in declared(destination):
                key = identity[source.key], identity[destination.key], port, protocol
                verdict = known.get(key)
                if verdict is None or source is destination:
                    verdict = evaluate(
                        world.policies,
                        Party(own, source.spec.get("nodeName") or "", source.key),
                        Party(address, destination.spec.get("nodeName") or "", destination.key),
                        protocol,
                        port,
                    )
                    if source is not destination:  # A pod always reaches itself, which says nothing about its like.
                        known[key] = verdict
                at = world.at(verdict.provenance)
                yield Pair(source.key, destination.key, address, port, protocol, verdict.allowed, verdict.reason, at)


def identities(world: World, pods: Iterable[Object]) -> dict[Key, Identity]:
    """What policies can see of each pod: namespace, labels, and which address blocks of rules it is in."""
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
        inside = tuple(block_contains(block, address) for block in blocks for address in pod_addresses(pod))
        ports = tuple((f"port {port.get('name')}", f"{port}") for _, port in container_ports(pod) if port.get("name"))
        found[pod.key] = pod.namespace, (*sorted(pod.labels.items()), *ports), inside
    return found


def declared(pod: Object) -> list[tuple[int, str]]:
    """(number, protocol) of a pod's declared TCP and UDP ports."""
    ports = ((port["containerPort"], port.get("protocol") or "TCP") for _, port in container_ports(pod))
    return list(dict.fromkeys(port for port in ports if port[1] in ("TCP", "UDP")))


def _address(pod: Object, family: int) -> str:
    return next((own for own in pod_addresses(pod) if (":" in own) == (family == 6)), "")
