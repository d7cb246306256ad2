"""Why no rule allows a connection: what each rule of the isolating NetworkPolicies lacks, the nearest first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_network

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector, Requirement
from sealane.network.policies.evaluate import Party, Question, port_matches
from sealane.network.policies.model import BlockPeer, Peer, PodPeer, PolicyPort
from sealane.network.policies.resolve import Policies, PolicyPod, ResolvedRule
from sealane.network.provenance import FieldPath, Provenance

Spaces = Callable[[str], Mapping[str, str]]
"""The labels of a namespace."""


class Known:
    """The labels that there are, of a cluster that does not change; each question is answered once."""

    def __init__(self, policies: Policies, spaces: Spaces) -> None:
        self.spaces = spaces
        self._policies = policies
        self._pods: dict[str | LabelSelector, list[Mapping[str, str]]] = {}
        self._matched: dict[tuple[str | LabelSelector | None, Requirement], bool] = {}

    def labels(self, of: str | LabelSelector | None) -> list[Mapping[str, str]]:
        """Those of pods in a namespace, or in those that a selector selects; None: of the namespaces that have pods."""
        if of is None:
            return [self.spaces(name) for name in sorted({each.namespace for each in self._policies.pods.values()})]
        found = self._pods.get(of)
        if found is None:
            within = {
                name
                for name in {each.namespace for each in self._policies.pods.values()}
                if (name == of if isinstance(of, str) else of.matches(self.spaces(name)))
            }
            found = [each.labels for each in self._policies.pods.values() if each.namespace in within]
            self._pods[of] = found
        return found

    def is_met(self, of: str | LabelSelector | None, wanted: Requirement) -> bool:
        """Does anybody meet it?"""
        found = self._matched.get((of, wanted))
        if found is None:
            found = self._matched[of, wanted] = any(wanted.matches(each) for each in self.labels(of))
        return found


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule that does not allow it. text: why not. source: the field in the way. rule: the whole rule.

    distance: how much would have to change, from 0; what looks like a slip counts half. peer, port: which of both does
    not match. right: the value that the field in the way was perhaps meant to have; "" for none.
    """

    policy: Key
    text: str
    source: Provenance
    rule: Provenance
    distance: float
    peer: bool
    port: bool
    right: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    path: FieldPath
    distance: float
    right: str = ""


def misses(policies: Policies, asked: Question, known: Known) -> list[Miss]:
    """One for each rule of each policy that isolates the subject in that direction; of equal ones the first first."""
    isolation = policies.isolation.get(asked.subject)
    keys = isolation.policies(asked.direction, "NetworkPolicy") if isolation is not None else ()
    found = [
        _miss(policies, asked, known, rule)
        for key in keys
        if (resolved := policies.resolved.get(key)) is not None
        for rule in resolved.rules(asked.direction)
    ]
    return sorted(found, key=lambda miss: miss.distance)


def _miss(policies: Policies, asked: Question, known: Known, rule: ResolvedRule) -> Miss:
    whole = rule.rule.provenance
    peer, port = _peers(policies, asked, known, rule), _ports(policies, asked, rule)
    if peer is not None and port is not None:
        text = f"{peer.text}; {port.text}"
    elif peer is not None:
        text = f"port matches, {peer.text}" if rule.rule.ports else peer.text
    else:
        text = f"peer matches, {port.text}" if port is not None else "it matches"
    first = peer or port or _Part("", (), 0)
    return Miss(
        whole.key,
        text,
        Provenance(whole.key, (*whole.path, *first.path)),
        whole,
        sum(part.distance for part in (peer, port) if part is not None),
        peer is not None,
        port is not None,
        first.right,
    )


def _peers(policies: Policies, asked: Question, known: Known, rule: ResolvedRule) -> _Part | None:
    """Why none of the rule's peers is the other end; None where one is."""
    end = "from" if asked.direction == "ingress" else "to"
    found: list[_Part] = []
    for index, (peer, members) in enumerate(zip(rule.rule.peers, rule.members, strict=True)):
        part = _peer(policies, asked.peer, known, peer, members)
        if part is None:
            return None
        found.append(_Part(part.text, (end, index, *part.path), part.distance, part.right))
    return min(found, key=lambda part: part.distance, default=None)


def _peer(policies: Policies, party: Party, known: Known, peer: Peer, members: frozenset[str]) -> _Part | None:
    if isinstance(peer, BlockPeer):
        return _block(peer, party.address)
    if party.address in members:
        return None
    pod = policies.pods.get(party.pod) if party.pod is not None else None
    if not isinstance(peer, PodPeer) or pod is None:
        return _Part(f"{_name(party)} is none of {peer}", (), 2)
    parts = [*_space(pod, known, peer), *_labels(pod, known, peer)]
    if not parts:
        return _Part(f"{_name(party)} is none of {peer}", (), 1)
    worst = parts[0]
    return _Part("; ".join(part.text for part in parts), worst.path, sum(part.distance for part in parts), worst.right)


def _block(peer: BlockPeer, address: str) -> _Part | None:
    parsed = ip_address(address)
    if parsed not in ip_network(peer.cidr):
        return _Part(f"{address} is not in {peer.cidr}", ("ipBlock", "cidr"), 1.5)
    for index, cidr in enumerate(peer.excepts):
        if parsed in ip_network(cidr):
            return _Part(f"{address} is in `except` {cidr}", ("ipBlock", "except", index), 0.75)
    return None


def _space(pod: PolicyPod, known: Known, peer: PodPeer) -> Iterator[_Part]:
    if isinstance(peer.namespaces, str):
        if pod.namespace != peer.namespaces:
            yield _Part(f"{pod.namespace}/{pod.key.name} is not in namespace {peer.namespaces}", (), 1)
        return
    labels, name = known.spaces(pod.namespace), f"namespace {pod.namespace}"
    for each in peer.namespaces.requirements:
        if not each.matches(labels):
            yield _requirement(each, labels, name, known, None, "namespaceSelector")


def _labels(pod: PolicyPod, known: Known, peer: PodPeer) -> Iterator[_Part]:
    name = f"{pod.namespace}/{pod.key.name}"
    for each in peer.pods.requirements:
        if not each.matches(pod.labels):
            yield _requirement(each, pod.labels, name, known, peer.namespaces, "podSelector")


def _requirement(
    wanted: Requirement,
    labels: Mapping[str, str],
    name: str,
    known: Known,
    of: str | LabelSelector | None,
    selector: str,
) -> _Part:
    key, own = wanted.key, labels.get(wanted.key)
    at = (selector, "matchLabels", key)
    if wanted.operator in ("In", "Exists") and not known.is_met(of, wanted):
        # Nobody is meant: a slip of the pen, more likely than not.
        nobody = f"no {'namespace' if of is None else 'pod'} has {wanted}"
        values = sorted({each[key] for each in known.labels(of) if key in each})
        if not values:
            keys = get_close_matches(key, sorted({one for each in known.labels(of) for one in each}), 1, 0.6)
            return _Part(f"{nobody}; did you mean {keys[0]}?" if keys else nobody, at, 0.9 if keys else 1)
        near = get_close_matches(wanted.values[0], values, 1, 0.6) if len(wanted.values) == 1 else []
        if near:
            right = near[0] if near[0] == own else ""
            return _Part(f"{nobody}; did you mean {near[0]}?", at, 0.5 if right else 0.9, right)
        return _Part(nobody, at, 1)
    if own is None:
        return _Part(f"{name} has no label {key}, which is to be {wanted}", at, 1)
    if wanted.operator == "In":
        return _Part(f"{name} has {key}={own}, not {' or '.join(wanted.values)}", at, 1)
    return _Part(f"{name} has {key}={own}, and {wanted} is asked for", at, 1)


def _ports(policies: Policies, asked: Question, rule: ResolvedRule) -> _Part | None:
    """Why none of the rule's ports is the one that is asked for; None where one is."""
    found: list[_Part] = []
    for index, (wanted, named) in enumerate(zip(rule.rule.ports, rule.named, strict=True)):
        if isinstance(wanted.port, str):
            if (asked.destination.address, asked.protocol, asked.port) in named:
                return None
            part = _named(policies, asked, wanted, wanted.port)
        elif port_matches(wanted, asked.protocol, asked.port):
            return None
        else:
            part = _number(asked, wanted)
        found.append(_Part(part.text, ("ports", index, *part.path), part.distance, part.right))
    return min(found, key=lambda part: part.distance, default=None)


def _number(asked: Question, wanted: PolicyPort) -> _Part:
    if wanted.protocol != asked.protocol:
        same = port_matches(PolicyPort("TCP", wanted.port, wanted.end), "TCP", asked.port)
        text = f"port {asked.port}/{asked.protocol} is not {wanted}"
        if wanted.port is None:
            text = f"protocol {asked.protocol} is not {wanted.protocol}"
        return _Part(text, ("protocol",) if same else ("port",), 0.6 if same else 1.2)
    assert isinstance(wanted.port, int)
    if wanted.end:
        away = max(wanted.port - asked.port, asked.port - wanted.end)
        text = f"port {asked.port} is not in {wanted.port}-{wanted.end}"
    else:
        away, text = abs(wanted.port - asked.port), f"port {asked.port} is not {wanted.port}"
    return _Part(text, ("port",), 0.9 + away / 655360)


def _named(policies: Policies, asked: Question, wanted: PolicyPort, name: str) -> _Part:
    pod = policies.pods.get(asked.destination.pod) if asked.destination.pod is not None else None
    if pod is None:
        return _Part(f"{_name(asked.destination)} is no pod with a port named {name}", ("port",), 1)
    own = [(each, number) for each, protocol, number in pod.named_ports if protocol == wanted.protocol]
    for each, number in own:
        if each == name:
            return _Part(f"port {asked.port} is not {name} ({number}/{wanted.protocol})", ("port",), 0.9)
    text = f"{_name(asked.destination)} has no {wanted.protocol} port named {name}"
    near = get_close_matches(name, sorted(each for each, _ in own), 1, 0.6)
    if not near:
        return _Part(text, ("port",), 1)
    right = near[0] if (near[0], asked.port) in own else ""
    return _Part(f"{text}; did you mean {near[0]}?", ("port",), 0.5 if right else 0.9, right)


def _name(party: Party) -> str:
    return f"{party.pod.namespace}/{party.pod.name}" if party.pod is not None else party.address
