"""The rule that nearly allows a connection: what of it does not match, and which of several is the nearest."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.network.test_policies import World, namespace, pod, policy

from sealane.kube.objects import Object
from sealane.network.policies import Party
from sealane.network.policies.nearest import Known, Miss, misses

PORTS = [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
SPACES = {"shop": {"team": "dev", "kubernetes.io/metadata.name": "shop"}, "ops": {"team": "ops"}}


def near(*policies: Object, port: int = 8080, protocol: str = "TCP", source: str | Party = "shop/web") -> list[Miss]:
    it = World(
        namespace("shop", team="dev"),
        namespace("ops", team="ops"),
        pod("shop", "api", "10.244.1.2", {"app": "api"}, containers=[{"name": "c", "ports": PORTS}]),
        pod("shop", "web", "10.244.1.3", {"app": "web"}, "node-2"),
        pod("ops", "probe", "10.244.2.2", {"app": "probe"}, "node-2"),
        *policies,
    )
    ruling = it.ask(source, "shop/api", port, protocol).rulings[-1]
    assert ruling.asked is not None
    return misses(it.policies, ruling.asked, Known(it.policies, lambda name: SPACES.get(name, {})))


def ingress(*peers: dict[str, Any], ports: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"from": list(peers), **({"ports": ports} if ports else {})}


def pods(**labels: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}


@pytest.mark.parametrize(
    ("rule", "text", "path"),
    [
        (ingress(pods(app="web"), ports=[{"port": 8081}]), "peer matches, port 8080 is not 8081", ("ports", 0, "port")),
        (
            ingress(pods(app="web"), ports=[{"port": 8080, "protocol": "UDP"}]),
            "peer matches, port 8080/TCP is not 8080/UDP",
            ("ports", 0, "protocol"),
        ),
        (
            ingress(ports=[{"port": 1}, {"port": 9000, "endPort": 9010}]),
            "peer matches, port 8080 is not in 9000-9010",
            ("ports", 1, "port"),
        ),
        (
            ingress(ports=[{"port": "htpp"}]),
            "peer matches, shop/api has no TCP port named htpp; did you mean http?",
            ("ports", 0, "port"),
        ),
        (
            ingress(pods(app="wep"), ports=[{"port": 8080}]),
            "port matches, no pod has app=wep; did you mean web?",
            ("from", 0, "podSelector", "matchLabels", "app"),
        ),
        (
            ingress(pods(ap="web")),
            "no pod has ap=web; did you mean app?",
            ("from", 0, "podSelector", "matchLabels", "ap"),
        ),
        (
            ingress(pods(app="api")),
            "shop/web has app=web, not api",
            ("from", 0, "podSelector", "matchLabels", "app"),
        ),
        (
            ingress({"namespaceSelector": {"matchLabels": {"team": "ops"}}}),
            "namespace shop has team=dev, not ops",
            ("from", 0, "namespaceSelector", "matchLabels", "team"),
        ),
        (
            ingress({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.9.0/24", "10.244.1.0/24"]}}),
            "10.244.1.3 is in `except` 10.244.1.0/24",
            ("from", 0, "ipBlock", "except", 1),
        ),
        (
            ingress({"ipBlock": {"cidr": "192.0.2.0/24"}}),
            "10.244.1.3 is not in 192.0.2.0/24",
            ("from", 0, "ipBlock", "cidr"),
        ),
    ],
)
def test_a_rule_says_what_of_it_does_not_match(rule: dict[str, Any], text: str, path: tuple[str | int, ...]) -> None:
    [found] = near(policy("p", podSelector={}, ingress=[rule]))
    assert (found.text, found.source.path) == (text, ("spec", "ingress", 0, *path))


def test_the_nearest_comes_first_of_all_policies_that_isolate() -> None:
    found = near(
        policy("a", podSelector={}, ingress=[ingress(pods(app="none"), ports=[{"port": 1}])]),
        policy("b", podSelector={}, ingress=[ingress(pods(app="api")), ingress(pods(app="web"), ports=[{"port": 80}])]),
        policy("deny", podSelector={}),
        policy("other", podSelector={"matchLabels": {"app": "web"}}, ingress=[ingress()]),
    )
    assert [(each.policy.name, each.rule.path[-1]) for each in found] == [("b", 1), ("b", 0), ("a", 0)]


def test_who_is_no_pod_is_named_by_its_address() -> None:
    [found] = near(policy("p", podSelector={}, ingress=[ingress(pods(app="web"))]), source=Party("192.0.2.1"))
    assert found.text == "192.0.2.1 is none of pods app=web of shop"


def test_a_policy_without_rules_has_none() -> None:
    assert not near(policy("deny", podSelector={}))
