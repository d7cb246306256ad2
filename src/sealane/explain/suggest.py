"""The smallest change of NetworkPolicies that would allow a connection, as patches, tried on the model.

A rule of which one half matches gets the other half: a port or a peer more, or the value that was meant. Where no rule
is that near, a policy of its own allows just this, beside those that are there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from sealane.explain.steps import Trace
from sealane.explain.world import World
from sealane.kube import kinds
from sealane.kube.objects import Key, Object, Raw
from sealane.network.policies import Party, Question
from sealane.network.policies.nearest import Miss, misses
from sealane.network.provenance import FieldPath, Provenance

MOST = 8
"""The most changes that are tried."""
OF_ONE = ("pod-template-hash", "controller-revision-hash", "pod-template-generation", "apps.kubernetes.io/pod-index")
OF_NAME = ("statefulset.kubernetes.io/pod-name", "batch.kubernetes.io/controller-uid", "controller-uid")
"""Labels that single pods have, or those of one revision."""


@dataclass(frozen=True, slots=True)
class Change:
    """A patch (RFC 6902) of a policy, or the manifest of a new one. at: the line that it is about, "" for a new one."""

    policy: Key
    text: str
    at: str
    patch: tuple[dict[str, Any], ...] = ()
    manifest: Raw | None = None

    @property
    def command(self) -> str:
        """The change as a command of kubectl."""
        if self.manifest is not None:
            return f"kubectl apply -f - <<< {shlex.quote(json.dumps(self.manifest))}"
        patch = shlex.quote(json.dumps(list(self.patch)))
        return f"kubectl patch networkpolicy {self.policy.name} -n {self.policy.namespace} --type=json -p {patch}"

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"policy": str(self.policy), "text": self.text}
        if self.at:
            found["at"] = self.at
        if self.manifest is not None:
            return {**found, "manifest": self.manifest}
        return {**found, "patch": list(self.patch)}


def suggest(world: World, ask: Callable[[World], Trace]) -> tuple[list[Change], Trace]:
    """The changes, and what `ask` answers with them. No change: no policy's rule is missing."""
    found: list[Change] = []
    answer = ask(world)
    while len(found) < MOST:
        asked = next((one for step in answer.steps if step.mark == "stop" for one in step.asked), None)
        change = _change(world, asked) if asked is not None else None
        if change is None or change in found:
            break
        found.append(change)
        world = _changed(world, change)
        answer = ask(world)
    return found, answer


def _change(world: World, asked: Question) -> Change | None:
    isolation = world.policies.isolation.get(asked.subject)
    if isolation is None or not isolation.policies(asked.direction, "NetworkPolicy"):
        return None
    near = misses(world.policies, asked, world.labels)
    best = near[0] if near else None
    if best is None or (best.peer and best.port):
        return _new(asked, world)
    raw = world.objects[best.policy].raw
    if best.right and isinstance(_value(raw, best.source.path), str):
        text = f"{_field(best)} is {best.right}, not {_value(raw, best.source.path)}"
        operation: dict[str, Any] = {"op": "replace", "path": _pointer(best.source.path), "value": best.right}
        return Change(best.policy, text, world.at(best.source), (operation,))
    if best.port:
        path, value = (*best.rule.path, "ports"), _port(asked)
        text = f"its rule allows port {asked.port}/{asked.protocol} as well"
    else:
        end = "from" if asked.direction == "ingress" else "to"
        path, value = (*best.rule.path, end), _peer(world, asked.peer, asked.subject.namespace)
        text = f"its rule allows {_named(asked.peer)} as well"
    operation = {"op": "add", "path": f"{_pointer(path)}/-", "value": value}
    return Change(best.policy, text, world.at(Provenance(best.policy, path)), (operation,))


def _new(asked: Question, world: World) -> Change:
    end, direction = ("from", "Ingress") if asked.direction == "ingress" else ("to", "Egress")
    word = "from" if asked.direction == "ingress" else "to"
    other = asked.peer.pod.name if asked.peer.pod is not None else asked.peer.address.replace(":", "-")
    name = f"{asked.subject.name}-{word}-{other}-{asked.port}"[:63].strip("-.").lower()
    rule = {end: [_peer(world, asked.peer, asked.subject.namespace)], "ports": [_port(asked)]}
    manifest: Raw = {
        "apiVersion": kinds.NETWORKPOLICY.api_version,
        "kind": kinds.NETWORKPOLICY.kind,
        "metadata": {"name": name, "namespace": asked.subject.namespace},
        "spec": {
            "podSelector": {"matchLabels": _labels(world, asked.subject)},
            "policyTypes": [direction],
            asked.direction: [rule],
        },
    }
    key = Key(kinds.NETWORKPOLICY.group, kinds.NETWORKPOLICY.kind, asked.subject.namespace, name)
    text = f"a new policy allows {asked.direction} {word} {_named(asked.peer)} on {asked.port}/{asked.protocol}"
    return Change(key, text, "", (), manifest)


def _peer(world: World, party: Party, namespace: str) -> Raw:
    if party.pod is None:
        return {"ipBlock": {"cidr": f"{party.address}/{128 if ':' in party.address else 32}"}}
    peer: Raw = {"podSelector": {"matchLabels": _labels(world, party.pod)}}
    if party.pod.namespace != namespace:
        peer["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": party.pod.namespace}}
    return peer


def _labels(world: World, pod: Key) -> dict[str, str]:
    found = world.policies.pods.get(pod)
    labels = found.labels if found is not None else {}
    return {key: value for key, value in sorted(labels.items()) if key not in (*OF_ONE, *OF_NAME)}


def _port(asked: Question) -> Raw:
    return {"port": asked.port, "protocol": asked.protocol}


def _named(party: Party) -> str:
    return f"{party.pod.namespace}/{party.pod.name}" if party.pod is not None else party.address


def _field(miss: Miss) -> str:
    return str(miss.source.path[-1])


def _changed(world: World, change: Change) -> World:
    objects = dict(world.objects)
    if change.manifest is not None:
        objects[change.policy] = Object(change.manifest)
    else:
        before = objects[change.policy]
        raw = deepcopy(before.raw)
        for operation in change.patch:
            _apply(raw, operation)
        objects[change.policy] = Object(raw, before.origin)
    return world.of(objects.values())


def _apply(raw: Any, operation: dict[str, Any]) -> None:
    *steps, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
    for step in steps:
        raw = raw[int(step)] if isinstance(raw, list) else raw[step]
    if last == "-":
        raw.append(operation["value"])
    else:
        raw[int(last) if isinstance(raw, list) else last] = operation["value"]


def _value(raw: Any, path: FieldPath) -> Any:
    for step in path:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _pointer(path: FieldPath) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
