"""ClusterNetworkPolicy: what it compiles to, and that answers follow its objects."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.network.test_policies import World, namespace, pod, policy

from sealane.kube import kinds
from sealane.kube.objects import Object
from sealane.network.policies import CLUSTER_POLICIES, NodePeer, Party
from sealane.network.policies.adminnetworkpolicy import admin_network_policy, baseline_admin_network_policy
from sealane.network.policies.clusternetworkpolicy import cluster_network_policy

EVERYONE = {"namespaces": {}}


def cluster_policy(name: str, tier: str = "Admin", priority: int = 0, **spec: Any) -> Object:
    spec = {"tier": tier, "priority": priority, "subject": EVERYONE, **spec}
    meta = {"name": name}
    api = "policy.networking.k8s.io/v1beta1"
    return Object({"apiVersion": api, "kind": "ClusterNetworkPolicy", "metadata": meta, "spec": spec})


def ingress(action: str, peer: dict[str, Any] | None = None, **rest: Any) -> list[dict[str, Any]]:
    return [{"action": action, "from": [peer or EVERYONE], **rest}]


def shop(*objects: Object) -> World:
    return World(
        namespace("shop", team="dev"),
        namespace("ops", team="ops"),
        pod("shop", "web", "10.244.1.2", {"app": "web"}),
        pod("ops", "probe", "10.244.2.2", {"app": "probe"}, "node-2"),
        *objects,
    )


def allowed(it: World, port: int = 80, protocol: str = "TCP") -> bool:
    return it.ask("ops/probe", "shop/web", port, protocol).allowed


def older(kind: str, name: str, **spec: Any) -> Object:
    meta, api = {"name": name}, "policy.networking.k8s.io/v1alpha1"
    return Object({"apiVersion": api, "kind": kind, "metadata": meta, "spec": {"subject": EVERYONE, **spec}})


def test_the_kinds_are_the_stored_versions_of_the_definitions() -> None:
    assert set(CLUSTER_POLICIES) <= set(kinds.DEFINED)


def test_an_admin_network_policy_means_what_a_cluster_network_policy_of_other_words_does() -> None:
    pods = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}}
    ports = [
        {"portNumber": {"port": 80, "protocol": "UDP"}},
        {"portRange": {"start": 1, "end": 9}},
        {"namedPort": "dns"},
    ]
    protocols = [
        {"udp": {"destinationPort": {"number": 80}}},
        {"tcp": {"destinationPort": {"range": {"start": 1, "end": 9}}}},
        {"destinationNamedPort": "dns"},
    ]
    to = [{"networks": ["10.0.0.0/8"]}, {"nodes": {"matchLabels": {"a": "b"}}}, {"domainNames": ["example.com"]}]
    old = older(
        "AdminNetworkPolicy",
        "p",
        priority=7,
        subject=pods,
        ingress=[{"action": "Allow", "name": "in", "from": [EVERYONE, pods], "ports": ports}],
        egress=[{"action": "Pass", "to": to}],
    )
    new = cluster_policy(
        "p",
        priority=7,
        subject=pods,
        ingress=[{"action": "Accept", "name": "in", "from": [EVERYONE, pods], "protocols": protocols}],
        egress=[{"action": "Pass", "to": to}],
    )
    made, wanted = admin_network_policy(old), cluster_network_policy(new)
    assert (made.tier, made.priority, made.otherwise) == (wanted.tier, wanted.priority, wanted.otherwise)
    assert (made.namespaces, made.pods) == (wanted.namespaces, wanted.pods)
    for direction in ("ingress", "egress"):
        mine, other = getattr(made, direction), getattr(wanted, direction)
        assert [(rule.peers, rule.ports, rule.verdict, rule.name) for rule in mine] == [
            (rule.peers, rule.ports, rule.verdict, rule.name) for rule in other
        ]
        assert [rule.provenance.path for rule in mine] == [("spec", direction, 0)]


def test_admin_network_policies_are_asked_among_cluster_network_policies_by_priority() -> None:
    it = shop(cluster_policy("denying", priority=5, ingress=ingress("Deny")))
    it.put(older("AdminNetworkPolicy", "allowing", priority=4, ingress=ingress("Allow")))
    decision = it.ask("ops/probe", "shop/web")
    assert decision.allowed
    assert "AdminNetworkPolicy allowing of the admin tier allows it" in decision.reason.text
    it.put(older("AdminNetworkPolicy", "allowing", priority=6, ingress=ingress("Allow")))
    assert not allowed(it)


def test_the_baseline_admin_network_policy_is_asked_last_of_all() -> None:
    base = older("BaselineAdminNetworkPolicy", "default", ingress=ingress("Deny"))
    assert baseline_admin_network_policy(base).tier == "Baseline"
    it = shop(base)
    assert not allowed(it)
    it.put(cluster_policy("wider", "Baseline", priority=1000, ingress=ingress("Accept")))
    assert allowed(it)
    it = shop(base, policy("web", podSelector={}, ingress=[{}]))
    assert allowed(it)


def test_priority_orders_a_tier_then_the_name() -> None:
    it = shop(cluster_policy("b", priority=5, ingress=ingress("Accept")))
    it.put(cluster_policy("c", priority=4, ingress=ingress("Deny")))
    assert not allowed(it)
    it.put(cluster_policy("a", priority=4, ingress=ingress("Accept")))
    assert allowed(it)
    it.put(cluster_policy("a", priority=6, ingress=ingress("Accept")))
    assert not allowed(it)


def test_pass_leads_to_the_network_policy_and_past_it_to_the_baseline() -> None:
    it = shop(
        cluster_policy("passing", priority=1, ingress=ingress("Pass")),
        cluster_policy("denying", priority=2, ingress=ingress("Deny")),
        cluster_policy("base", "Baseline", ingress=ingress("Deny")),
    )
    assert not allowed(it)  # by the baseline
    allowing = policy("allow", podSelector={}, ingress=[{}])
    it.put(allowing)
    assert allowed(it)
    text = it.ask("ops/probe", "shop/web").rulings[-1].reason.text
    assert text.startswith("ClusterNetworkPolicy passing of the admin tier passes it on; NetworkPolicy shop/allow")
    it.sources["NetworkPolicy"].remove(allowing.key)
    assert not allowed(it)
    it.put(cluster_policy("base", "Admin", priority=0, ingress=ingress("Accept")))  # it changes its tier
    assert allowed(it)


def test_subjects_and_peers_follow_the_labels_of_namespaces() -> None:
    subject = {"namespaces": {"matchLabels": {"team": "dev"}}}
    peer = {"namespaces": {"matchLabels": {"team": "ops"}}}
    it = shop(cluster_policy("p", subject=subject, ingress=ingress("Deny", peer)))
    assert not allowed(it)
    it.put(namespace("ops", team="other"))
    assert allowed(it)
    it.put(namespace("ops", team="ops"))
    it.put(namespace("shop", team="other"))
    assert allowed(it)
    it.put(namespace("shop", team="dev"))
    assert not allowed(it)


@pytest.mark.parametrize(
    ("protocol", "number", "matches"),
    [
        ({"tcp": {"destinationPort": {"number": 80}}}, 80, True),
        ({"tcp": {"destinationPort": {"number": 80}}}, 81, False),
        ({"udp": {}}, 80, False),
        ({"tcp": {}}, 80, True),
        ({"tcp": {"destinationPort": {"range": {"start": 79, "end": 81}}}}, 81, True),
        ({"tcp": {"destinationPort": {"range": {"start": 79, "end": 81}}}}, 82, False),
        ({"destinationNamedPort": "web"}, 8080, True),
        ({"destinationNamedPort": "web"}, 80, False),
    ],
)
def test_ports(protocol: dict[str, Any], number: int, matches: bool) -> None:
    it = shop(cluster_policy("p", ingress=ingress("Deny", protocols=[protocol])))
    containers = [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]
    it.put(pod("shop", "web", "10.244.1.2", {"app": "web"}, containers=containers))
    assert allowed(it, number) is not matches


def test_nodes_are_meant_by_their_own_addresses() -> None:
    status = {"addresses": [{"type": "InternalIP", "address": "172.18.1.2"}, {"type": "Hostname", "address": "two"}]}
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "two", "labels": {"role": "x"}}, "status": status}
    node = Object({**raw, "spec": {"podCIDRs": ["10.244.2.0/24"]}})
    peer = {"nodes": {"matchLabels": {"role": "x"}}}
    it = shop(cluster_policy("p", egress=[{"action": "Deny", "to": [peer]}]), node)
    assert not it.ask("shop/web", Party("172.18.1.2", "two"), 10250).allowed
    assert it.ask("shop/web", Party("172.18.1.3", "three"), 10250).allowed
    [members] = it.policies.members.values()
    assert members == {"172.18.1.2", "10.244.2.1"}
    it.sources["Node"].remove(node.key)
    assert it.ask("shop/web", Party("172.18.1.2", "two"), 10250).allowed
    assert all(isinstance(each, NodePeer) for each in it.policies.members)


def test_a_domain_name_matches_nobody_and_not_everybody() -> None:
    to = [{"action": "Accept", "to": [{"domainNames": ["example.com"]}]}, {"action": "Deny", "to": [EVERYONE]}]
    it = shop(cluster_policy("p", egress=to))
    assert not it.ask("shop/web", "ops/probe").allowed
    assert it.ask("shop/web", Party("192.0.2.1")).rulings[0].reason.source is None


def test_both_versions_say_the_same() -> None:
    newer = cluster_policy("p", ingress=ingress("Deny"))
    older = Object({**newer.raw, "apiVersion": "policy.networking.k8s.io/v1alpha2"})
    assert cluster_network_policy(newer) == cluster_network_policy(older)


def test_without_rules_of_a_direction_nobody_is_asked() -> None:
    it = shop(cluster_policy("p", ingress=[], egress=[]))
    assert not any(each.ingress or each.egress for each in it.policies.isolation.values())
