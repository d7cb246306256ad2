"""NetworkPolicy: hand-picked cases, and a property against a transcription of the documentation."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.kube.objects import Key, Object
from sealane.network.policies import CLUSTER_POLICIES, Decision, Party, Policies, derive_policies, evaluate, party
from sealane.reactive.collections import Graph, Source


def pod(namespace: str, name: str, address: str, labels: dict[str, str], node: str = "node-1", **spec: Any) -> Object:
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": node, "containers": [], **spec},
            "status": {"phase": "Running", "podIPs": [{"ip": address}]},
        }
    )


def namespace(name: str, **labels: str) -> Object:
    labels = {"kubernetes.io/metadata.name": name, **labels}
    return Object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def policy(name: str, space: str = "shop", **spec: Any) -> Object:
    meta = {"name": name, "namespace": space}
    return Object({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})


class World:
    """Sources with the policies derived from them."""

    def __init__(self, *objects: Object) -> None:
        graph = Graph()
        of_cluster = [kind.kind for kind in CLUSTER_POLICIES]
        self.sources: dict[str, Source[Key, Object]] = {
            kind: Source(graph, kind) for kind in ("NetworkPolicy", "Pod", "Namespace", "Node", *of_cluster)
        }
        policies, pods, namespaces, nodes, *cluster_policies = self.sources.values()
        self.policies: Policies = derive_policies(policies, pods, namespaces, None, cluster_policies, nodes)
        for object_ in objects:
            self.put(object_)

    def put(self, object_: Object) -> None:
        self.sources[object_.kind].set(object_.key, object_)

    def ask(self, source: str | Party, destination: str | Party, port: int = 80, protocol: str = "TCP") -> Decision:
        ends = [self.party(end) if isinstance(end, str) else end for end in (source, destination)]
        return evaluate(self.policies, ends[0], ends[1], protocol, port)

    def party(self, name: str) -> Party:
        found = party(self.policies, Key("", "Pod", *name.split("/")))
        assert found is not None
        return found


WEB = pod(
    "shop",
    "web",
    "10.244.1.2",
    {"app": "web"},
    containers=[{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}],
)
CART = pod("shop", "cart", "10.244.2.2", {"app": "cart"}, "node-2")
OPS = pod("ops", "probe", "10.244.2.3", {"app": "probe"}, "node-2")
SPACES = (namespace("shop"), namespace("ops", team="ops"))
OUTSIDE = Party("172.18.0.1")


def world(*policies: Object) -> World:
    return World(*SPACES, WEB, CART, OPS, *policies)


def test_without_policies_everything_is_allowed() -> None:
    verdict = world().ask("ops/probe", "shop/web")
    assert verdict.allowed
    assert "no policy isolates shop/web" in verdict.reason.text


def test_default_deny_names_the_policy() -> None:
    verdict = world(policy("deny", podSelector={})).ask("shop/cart", "shop/web")
    assert not verdict.allowed
    assert verdict.reason.source is not None
    assert verdict.reason.source.key.name == "deny"
    assert "isolated for ingress by shop/deny" in verdict.reason.text


def test_a_rule_allows_and_is_named() -> None:
    rules = [{"from": [{"podSelector": {"matchLabels": {"app": "cart"}}}], "ports": [{"port": 80}]}]
    it = world(policy("deny", podSelector={}), policy("web", podSelector={}, ingress=rules))
    verdict = it.ask("shop/cart", "shop/web")
    assert verdict.allowed
    assert str(verdict.reason.source) == "NetworkPolicy shop/web spec.ingress[0]"
    assert not it.ask("shop/cart", "shop/web", 81).allowed
    assert not it.ask("shop/cart", "shop/web", 80, "UDP").allowed
    assert not it.ask("ops/probe", "shop/web").allowed


@pytest.mark.parametrize(
    ("peer", "cart", "probe", "outside"),
    [
        ({"podSelector": {}}, True, False, False),
        ({"namespaceSelector": {}}, True, True, False),
        ({"namespaceSelector": {"matchLabels": {"team": "ops"}}}, False, True, False),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "cart"}}}, True, False, False),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, True, True, True),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16"]}}, False, False, True),
    ],
)
def test_peers(peer: dict[str, Any], cart: bool, probe: bool, outside: bool) -> None:
    it = world(policy("web", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [peer]}]))
    assert it.ask("shop/cart", "shop/web").allowed is cart
    assert it.ask("ops/probe", "shop/web").allowed is probe
    assert it.ask(OUTSIDE, "shop/web").allowed is outside


def test_ranges_and_names_of_ports() -> None:
    ports = [{"port": "http"}, {"port": 9000, "endPort": 9010}, {"protocol": "UDP"}]
    it = world(policy("web", podSelector={"matchLabels": {"app": "web"}}, ingress=[{"ports": ports}]))
    assert it.ask("shop/cart", "shop/web", 8080).allowed
    assert not it.ask("shop/cart", "shop/web", 8081).allowed
    assert [it.ask("shop/cart", "shop/web", port).allowed for port in (8999, 9000, 9010, 9011)] == [
        False,
        True,
        True,
        False,
    ]
    assert it.ask("shop/cart", "shop/web", 1, "UDP").allowed
    assert not it.ask("shop/cart", "shop/web", 0, "ICMP").allowed


def test_named_egress_ports_are_those_of_the_destination() -> None:
    it = world(policy("cart", podSelector={"matchLabels": {"app": "cart"}}, egress=[{"ports": [{"port": "http"}]}]))
    assert it.ask("shop/cart", "shop/web", 8080).allowed
    assert not it.ask("shop/cart", "ops/probe", 8080).allowed


def test_policy_types_default_to_ingress_and_to_egress_where_it_has_rules() -> None:
    only_ingress = world(policy("deny", podSelector={}))
    assert only_ingress.ask("shop/web", "ops/probe").allowed
    only_egress = world(policy("deny", podSelector={}, policyTypes=["Egress"]))
    assert only_egress.ask("ops/probe", "shop/web").allowed
    assert not only_egress.ask("shop/web", "ops/probe").allowed


def test_a_pod_reaches_itself_and_talks_with_its_own_node() -> None:
    it = world(policy("deny", podSelector={}, policyTypes=["Ingress", "Egress"]))
    assert it.ask("shop/web", "shop/web").allowed
    assert it.ask(Party("172.18.1.1", "node-1"), "shop/web").allowed
    assert it.ask("shop/web", Party("172.18.1.1", "node-1")).allowed
    assert not it.ask(Party("172.18.1.2", "node-2"), "shop/web").allowed
    assert not it.ask("shop/web", Party("172.18.1.2", "node-2")).allowed


def test_pods_on_the_host_network_and_ended_pods_are_nobody() -> None:
    rules = [{"from": [{"podSelector": {}}]}]
    host = pod("shop", "host", "172.18.1.2", {"app": "host"}, "node-2", hostNetwork=True)
    it = World(*SPACES, WEB, host, policy("web", podSelector={}, ingress=rules))
    assert host.key not in it.policies.pods
    assert not it.ask(Party("172.18.1.2", "node-2"), "shop/web").allowed
    ended = Object({**CART.raw, "status": {**CART.raw["status"], "phase": "Succeeded"}})
    it.put(CART)
    assert it.ask("shop/cart", "shop/web").allowed
    it.put(ended)
    assert ended.key not in it.policies.pods


def test_policies_follow_labels() -> None:
    rules = [{"from": [{"namespaceSelector": {"matchLabels": {"team": "ops"}}}]}]
    it = world(policy("web", podSelector={}, ingress=rules))
    assert it.ask("ops/probe", "shop/web").allowed
    it.put(namespace("ops"))
    assert not it.ask("ops/probe", "shop/web").allowed


# The documentation, transcribed by brute force over the raw objects.


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        present, value = term["key"] in labels, labels.get(term["key"])
        holds = {
            "In": present and value in term.get("values", []),
            "NotIn": not present or value not in term.get("values", []),
            "Exists": present,
            "DoesNotExist": not present,
        }
        if not holds[term["operator"]]:
            return False
    return True


def spec_allows(
    objects: list[Object], source: dict[str, Any], destination: dict[str, Any], protocol: str, port: int
) -> bool:
    """Plain dicts of pods, or {"address": …} for someone outside."""
    if source is destination:
        return True
    labels = {o.name: dict(o.labels) for o in objects if o.kind == "Namespace"}

    def matches_peer(peer: dict[str, Any], other: dict[str, Any], own_namespace: str) -> bool:
        if "ipBlock" in peer:
            address, block = ip_address(address_of(other)), peer["ipBlock"]
            return address in ip_network(block["cidr"]) and not any(
                address in ip_network(cidr) for cidr in block.get("except", [])
            )
        if "metadata" not in other:
            return False
        space = other["metadata"]["namespace"]
        if "namespaceSelector" in peer:
            if not selected(peer["namespaceSelector"], labels[space]):
                return False
        elif space != own_namespace:
            return False
        return selected(peer.get("podSelector", {}), other["metadata"]["labels"])

    def matches_port(wanted: dict[str, Any]) -> bool:
        if wanted.get("protocol", "TCP") != protocol:
            return False
        if "port" not in wanted:
            return True
        if isinstance(wanted["port"], str):
            containers = destination.get("spec", {}).get("containers", [])
            return any(
                p["name"] == wanted["port"] and p["protocol"] == protocol and p["containerPort"] == port
                for c in containers
                for p in c["ports"]
            )
        return wanted["port"] <= port <= wanted.get("endPort", wanted["port"])

    def direction_allows(subject: dict[str, Any], other: dict[str, Any], type_: str, field: str, peers: str) -> bool:
        if "metadata" not in subject:
            return True
        isolated = False
        for candidate in objects:
            if candidate.kind != "NetworkPolicy" or candidate.namespace != subject["metadata"]["namespace"]:
                continue
            spec = candidate.raw["spec"]
            if type_ not in spec["policyTypes"] or not selected(spec["podSelector"], subject["metadata"]["labels"]):
                continue
            isolated = True
            for rule in spec.get(field, []):
                peers_ok = not rule.get(peers) or any(
                    matches_peer(peer, other, candidate.namespace) for peer in rule[peers]
                )
                if peers_ok and (not rule.get("ports") or any(map(matches_port, rule["ports"]))):
                    return True
        return not isolated

    return direction_allows(source, destination, "Egress", "egress", "to") and direction_allows(
        destination, source, "Ingress", "ingress", "from"
    )


def address_of(end: dict[str, Any]) -> str:
    return end["address"] if "address" in end else end["status"]["podIPs"][0]["ip"]


KEYS, VALUES = ("app", "tier"), ("a", "b")
label_maps = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)
expressions = st.one_of(
    st.builds(
        lambda key, op, values: {"key": key, "operator": op, "values": values},
        st.sampled_from(KEYS),
        st.sampled_from(["In", "NotIn"]),
        st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True),
    ),
    st.builds(
        lambda key, op: {"key": key, "operator": op},
        st.sampled_from(KEYS),
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": label_maps, "matchExpressions": st.lists(expressions, max_size=1)}
)
blocks = st.sampled_from(
    [
        {"cidr": "10.244.0.0/16"},
        {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]},
        {"cidr": "172.18.0.1/32"},
        {"cidr": "0.0.0.0/0", "except": ["10.244.0.2/32"]},
    ]
)
peers = st.one_of(
    st.fixed_dictionaries({"podSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors, "podSelector": selectors}),
    st.fixed_dictionaries({"ipBlock": blocks}),
)
ports = st.one_of(
    st.sampled_from([{"port": 80}, {"port": 80, "endPort": 90}, {"protocol": "UDP"}, {"port": 53, "protocol": "UDP"}]),
    st.sampled_from([{"port": "http"}, {"port": "http", "protocol": "UDP"}]),
)


def rules_with(field: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    rule = st.fixed_dictionaries(
        {}, optional={field: st.lists(peers, max_size=2), "ports": st.lists(ports, max_size=2)}
    )
    return st.lists(rule, max_size=2)


policies = st.builds(
    lambda name, space, subject, types, ingress, egress: policy(
        f"p{name}", space, podSelector=subject, policyTypes=types, ingress=ingress, egress=egress
    ),
    st.integers(0, 5),
    st.sampled_from(["one", "two"]),
    selectors,
    st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    rules_with("from"),
    rules_with("to"),
)
named = st.lists(
    st.builds(
        lambda protocol, port: {"name": "http", "protocol": protocol, "containerPort": port},
        st.sampled_from(["TCP", "UDP"]),
        st.sampled_from([80, 85, 53]),
    ),
    max_size=1,
)
pods = st.lists(st.tuples(st.sampled_from(["one", "two"]), label_maps, named), min_size=2, max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.lists(policies, max_size=4), pods, label_maps, label_maps, st.randoms(use_true_random=False))
def test_evaluate_is_what_the_documentation_says(
    drawn: list[Object],
    drawn_pods: list[tuple[str, dict[str, str], Any]],
    one: dict[str, str],
    two: dict[str, str],
    random: Any,
) -> None:
    objects = {o.key: o for o in (namespace("one", **one), namespace("two", **two), *drawn)}
    for index, (space, labels, container_ports) in enumerate(drawn_pods):
        containers = [{"name": "c", "ports": container_ports}]
        made = pod(space, f"x{index}", f"10.244.{index % 2}.{index}", labels, f"node-{index}", containers=containers)
        objects[made.key] = made
    arriving = list(objects.values())
    random.shuffle(arriving)  # the answer must not depend on who came first
    it = World(*arriving)
    raw = {o.key: o.raw for o in objects.values() if o.kind == "Pod"}
    ends: list[tuple[Party, dict[str, Any]]] = [
        (Party(address_of(found), found["spec"]["nodeName"], key), found) for key, found in raw.items()
    ]
    ends.append((OUTSIDE, {"address": OUTSIDE.address}))
    for source, raw_source in ends:
        for destination, raw_destination in ends:
            for protocol, port in (("TCP", 80), ("TCP", 85), ("UDP", 53), ("ICMP", 0)):
                expected = spec_allows(list(objects.values()), raw_source, raw_destination, protocol, port)
                assert it.ask(source, destination, port, protocol).allowed == expected
