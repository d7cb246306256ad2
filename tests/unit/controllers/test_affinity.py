"""Required pod (anti-)affinity and topology spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sealane.controllers.scheduling.affinity import peer_obstacles
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector

ZONES = {"n1": "a", "n2": "a", "n3": "b"}
NODES = [
    Object({"kind": "Node", "metadata": {"name": name, "labels": {"host": name, "zone": zone}}})
    for name, zone in ZONES.items()
]
WEB = {"labelSelector": {"matchLabels": {"app": "web"}}}


def pod(name: str, namespace: str = "shop", labels: Raw | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "web"} if labels is None else labels}
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def near(*terms: Raw) -> Raw:
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def far(*terms: Raw) -> Raw:
    return {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def spread(key: str, skew: int = 1, when: str = "DoNotSchedule") -> Raw:
    constraint = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": when, **WEB}
    return {"topologySpreadConstraints": [constraint]}


def open_nodes(
    new: Object, placed: list[tuple[Object, str]], keepers: Iterable[tuple[Object, str]] = ()
) -> tuple[list[str], set[str]]:
    """The nodes left, and the reasons for the others."""

    def peers(namespace: str | None, selector: LabelSelector) -> Iterable[tuple[Object, str]]:
        return [(p, n) for p, n in placed if namespace in (None, p.namespace) and selector.matches(p.labels)]

    def namespaces(selector: LabelSelector) -> Iterable[str]:
        return [name for name, team in (("shop", "a"), ("other", "b")) if selector.matches({"team": team})]

    barred = peer_obstacles(new, NODES, NODES, peers, namespaces, keepers)
    return [name for name in ZONES if name not in barred], set(barred.values())


HOST, ZONE = {"topologyKey": "host", **WEB}, {"topologyKey": "zone", **WEB}
ANTI = "node(s) didn't match pod anti-affinity rules"
AFFINITY = "node(s) didn't match pod affinity rules"
SPREAD = "node(s) didn't match pod topology spread constraints"


@pytest.mark.parametrize(
    ("spec", "placed", "left", "reason"),
    [
        (far(HOST), ["n1"], ["n2", "n3"], ANTI),
        (far(ZONE), ["n1"], ["n3"], ANTI),
        (far(HOST), ["n1", "n2", "n3"], [], ANTI),
        (near(HOST), ["n2"], ["n2"], AFFINITY),
        (near(ZONE), ["n2"], ["n1", "n2"], AFFINITY),
        (near(ZONE), [], ["n1", "n2", "n3"], None),
        (near({"topologyKey": "nowhere", **WEB}), [], [], AFFINITY),
        (near({**HOST, "labelSelector": {"matchLabels": {"app": "db"}}}), ["n1"], [], AFFINITY),
        (spread("host"), ["n1"], ["n2", "n3"], SPREAD),
        (spread("host", 2), ["n1"], ["n1", "n2", "n3"], None),
        (spread("zone"), ["n1"], ["n3"], SPREAD),
        (spread("zone"), ["n1", "n3"], ["n1", "n2", "n3"], None),
        (spread("host", when="ScheduleAnyway"), ["n1"], ["n1", "n2", "n3"], None),
    ],
)
def test_where_a_pod_may_go(spec: Raw, placed: list[str], left: list[str], reason: str | None) -> None:
    others = [(pod(f"p{number}"), node) for number, node in enumerate(placed)]
    assert open_nodes(pod("new", **spec), others) == (left, {reason} if reason else set())


@pytest.mark.parametrize(
    ("term", "left"),
    [
        ({}, ["n1", "n2", "n3"]),
        ({"namespaces": ["other"]}, ["n2", "n3"]),
        ({"namespaceSelector": {}}, ["n2", "n3"]),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, ["n2", "n3"]),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, ["n1", "n2", "n3"]),
    ],
)
def test_terms_are_about_their_own_namespace_unless_they_say_otherwise(term: Raw, left: list[str]) -> None:
    placed = [(pod("p", "other"), "n1")]
    assert open_nodes(pod("new", **far({**HOST, **term})), placed)[0] == left


def test_who_is_there_may_keep_others_away() -> None:
    keeper = pod("keeper", labels={"app": "db"}, **far(HOST))
    left, reasons = open_nodes(pod("new"), [(keeper, "n2")], [(keeper, "n2")])
    assert left == ["n1", "n3"]
    assert reasons == {"node(s) didn't satisfy existing pods anti-affinity rules"}
    assert open_nodes(pod("new", labels={"app": "x"}), [(keeper, "n2")], [(keeper, "n2")])[0] == ["n1", "n2", "n3"]
