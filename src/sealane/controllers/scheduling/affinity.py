"""Pods that want others near or far: required pod (anti-)affinity and topology spread constraints.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity and
https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
What is only preferred is left to the even spread of the scheduler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sealane.controllers.scheduling.placement import in_affinity
from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector

Peers = Callable[[str | None, LabelSelector], Iterable[tuple[Object, str]]]
"""The placed pods of a namespace (None: of all) that a selector matches, each with the name of its node."""
Namespaces = Callable[[LabelSelector], Iterable[str]]
"""The names of the namespaces that a selector matches."""


def has_affinity(spec: Mapping[str, Any]) -> bool:
    """Does any rule of this module look at the pod at all?"""
    return bool(_terms(spec, "podAffinity") or _terms(spec, "podAntiAffinity") or spec.get("topologySpreadConstraints"))


def anti_affinity(spec: Mapping[str, Any]) -> bool:
    """Does the pod keep others away?"""
    return bool(_terms(spec, "podAntiAffinity"))


def peer_obstacles(
    pod: Object,
    candidates: Iterable[Object],
    nodes: Iterable[Object],
    peers: Peers,
    namespaces: Namespaces,
    keepers: Iterable[tuple[Object, str]] = (),
) -> dict[str, str]:
    """Node name -> why the pod cannot run there because of other pods, in the scheduler's words.

    candidates: of all `nodes`, those that the pod may run on otherwise. keepers: placed pods that have an anti-affinity
    of their own.
    """
    nodes = list(nodes)
    labels = {node.name: node.labels for node in nodes}
    found: dict[str, str] = {}
    asked = list(candidates)

    def bar(reason: str, allowed: Callable[[str], bool], key: str) -> None:
        for node in asked:
            if not allowed(node.labels.get(key, "")):
                found.setdefault(node.name, reason)

    def domains(term: Mapping[str, Any], placed: Iterable[tuple[Object, str]]) -> set[str]:
        key = term["topologyKey"]
        return {value for _, node in placed if (value := labels_of(node).get(key))}

    def labels_of(node: str) -> Mapping[str, str]:
        return labels.get(node, {})

    for term in _terms(pod.spec, "podAffinity"):
        near = domains(term, _matching(pod, term, peers, namespaces))
        if near or not _matches(pod, pod, term, namespaces):  # the first of its kind may be its own company
            bar("node(s) didn't match pod affinity rules", near.__contains__, term["topologyKey"])
        else:
            bar("node(s) didn't match pod affinity rules", bool, term["topologyKey"])
    for term in _terms(pod.spec, "podAntiAffinity"):
        far = domains(term, _matching(pod, term, peers, namespaces))
        bar("node(s) didn't match pod anti-affinity rules", _outside(far), term["topologyKey"])
    for keeper, node in keepers:
        for term in _terms(keeper.spec, "podAntiAffinity"):
            if keeper.key != pod.key and _matches(pod, keeper, term, namespaces):
                far = domains(term, [(keeper, node)])
                reason = "node(s) didn't satisfy existing pods anti-affinity rules"
                bar(reason, _outside(far), term["topologyKey"])
    for constraint in pod.spec.get("topologySpreadConstraints") or ():
        if constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            key = constraint["topologyKey"]
            selector = LabelSelector.of(constraint.get("labelSelector") or {})
            # Domains are those of its node affinity, whether tainted or not (nodeTaintsPolicy: Ignore).
            count = Counter({n.labels[key]: 0 for n in nodes if key in n.labels and in_affinity(pod.spec, n)})
            for peer, node in peers(pod.namespace, selector):
                value = labels_of(node).get(key, "")
                if value in count and not peer.deleting:
                    count[value] += 1
            itself = selector.matches(pod.labels)
            most = min(count.values(), default=0) + int(constraint.get("maxSkew") or 1)
            fits = {value for value, number in count.items() if number + itself <= most}
            bar("node(s) didn't match pod topology spread constraints", fits.__contains__, key)
    return found


def _outside(values: set[str]) -> Callable[[str], bool]:
    return lambda value: not value or value not in values


def _terms(spec: Mapping[str, Any], which: str) -> Sequence[Mapping[str, Any]]:
    affinity = (spec.get("affinity") or {}).get(which) or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()


def _matching(
    owner: Object, term: Mapping[str, Any], peers: Peers, namespaces: Namespaces
) -> Iterable[tuple[Object, str]]:
    """The placed pods that a term of `owner` is about."""
    if term.get("labelSelector") is None:
        return
    selector = LabelSelector.of(term["labelSelector"])
    for namespace in _namespaces(owner, term, namespaces):
        for peer, node in peers(namespace, selector):
            if peer.key != owner.key:
                yield peer, node


def _matches(pod: Object, owner: Object, term: Mapping[str, Any], namespaces: Namespaces) -> bool:
    if term.get("labelSelector") is None:
        return False
    if pod.namespace not in _namespaces(owner, term, namespaces):
        return False
    return LabelSelector.of(term["labelSelector"]).matches(pod.labels)


def _namespaces(owner: Object, term: Mapping[str, Any], namespaces: Namespaces) -> set[str]:
    """The namespaces that are named and those selected; without either, the pod's own."""
    named = set(term.get("namespaces") or ())
    selector = term.get("namespaceSelector")
    if selector is not None:
        named.update(namespaces(LabelSelector.of(selector)))
    elif not named:
        named.add(owner.namespace)
    return named
