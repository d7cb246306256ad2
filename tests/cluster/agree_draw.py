"""What `agree_random` draws: Services of every kind, policies of all tiers and zones, over four pods on two nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace
from nft_lab import PODS

from sealane.kube.objects import Object
from sealane.network.addresses import NodePlan
from sealane.network.services.hints import NodeShare, zone_capacity
from sealane.network.services.slices import endpoint_slices, pod_endpoint

STATES = ("none", "ready", "ready", "waiting", "draining", "gone")
"""Of a pod under a Service: not selected, ready, not ready, serving or not while it terminates."""


@dataclass(frozen=True)
class DrawnService:
    """spec: as in the API. families: of its cluster addresses, in order. headless, external: no address of its own.
    claims: it has externalIPs. pods: the state of each pod under it. auto: annotated for topology-aware routing."""

    spec: dict[str, Any]
    families: tuple[int, ...]
    kind: str
    claims: bool
    pods: dict[str, str]
    auto: bool


@dataclass(frozen=True)
class DrawnCluster:
    services: list[DrawnService]
    zones: tuple[str, str]
    policies: list[dict[str, Any]]
    cluster_policies: list[dict[str, Any]]


services = st.builds(
    DrawnService,
    st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["TCP", "TCP", "UDP"]),
            "internalTrafficPolicy": st.sampled_from(["Cluster", "Cluster", "Local"]),
            "externalTrafficPolicy": st.sampled_from(["Cluster", "Local"]),
        },
        optional={
            "sessionAffinity": st.just("ClientIP"),
            "trafficDistribution": st.sampled_from(["PreferClose", "PreferSameZone", "PreferSameNode"]),
            "publishNotReadyAddresses": st.just(True),
            "loadBalancerSourceRanges": st.sampled_from(
                [["10.244.1.0/24"], ["172.18.0.0/16"], ["10.244.0.0/16", "fd00::/8"]]
            ),
        },
    ),
    st.sampled_from([(4, 6), (4, 6), (6, 4), (4,), (6,)]),
    st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer", "headless", "ExternalName"]),
    st.booleans(),
    st.fixed_dictionaries({pod: st.sampled_from(STATES) for pod in PODS}),
    st.booleans(),
)

_selectors = st.sampled_from([{}, {"app": "a"}, {"app": "b"}, {"app": "c"}, {"tier": "x"}])
_peers = st.one_of(
    st.builds(lambda labels: {"podSelector": {"matchLabels": labels}}, _selectors),
    st.builds(
        lambda labels, space: {"podSelector": {"matchLabels": labels}, "namespaceSelector": {"matchLabels": space}},
        _selectors,
        st.sampled_from([{}, {"team": "x"}, {"team": "none"}]),
    ),
    st.sampled_from(
        [
            {"ipBlock": {"cidr": "10.244.1.0/24", "except": ["10.244.1.3/32"]}},
            {"ipBlock": {"cidr": "172.18.0.0/16"}},
            {"ipBlock": {"cidr": "fd00:10:244:2::/64"}},
        ]
    ),
)
_ports = st.sampled_from(
    [
        [{"port": 8080}],
        [{"port": "web"}],
        [{"port": "datagrams", "protocol": "UDP"}],
        [{"port": 8000, "endPort": 8100, "protocol": "UDP"}],
        [{"protocol": "TCP"}],
        [],
    ]
)


def _rules(end: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    rule = st.builds(
        lambda peers, ports: {**({end: peers} if peers else {}), **({"ports": ports} if ports else {})},
        st.lists(_peers, max_size=2),
        _ports,
    )
    return st.lists(rule, max_size=2)


policies = st.builds(
    lambda labels, types, ingress, egress: {
        "podSelector": {"matchLabels": labels},
        "policyTypes": types,
        **({"ingress": ingress} if "Ingress" in types else {}),
        **({"egress": egress} if "Egress" in types else {}),
    },
    _selectors,
    st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    _rules("from"),
    _rules("to"),
)

_selected = st.builds(
    lambda labels, space: {"pods": {"podSelector": {"matchLabels": labels}, "namespaceSelector": space}},
    _selectors,
    st.sampled_from([{}, {"matchLabels": {"team": "x"}}, {"matchLabels": {"team": "none"}}]),
)
_subjects = st.one_of(st.just({"namespaces": {}}), _selected)
_destinations = st.one_of(
    _selected,
    st.sampled_from(
        [
            {"nodes": {}},
            {"nodes": {"matchLabels": {"topology.kubernetes.io/zone": "east"}}},
            {"networks": ["10.244.1.0/24", "fd00:10:244:2::/64"]},
            {"networks": ["172.18.0.0/16"]},
            {"domainNames": ["example.com"]},
        ]
    ),
)
_protocols = st.sampled_from(
    [
        [{"tcp": {"destinationPort": {"number": 8080}}}],
        [{"destinationNamedPort": "web"}, {"udp": {}}],
        [{"destinationNamedPort": "datagrams"}],
        [{"udp": {"destinationPort": {"range": {"start": 8000, "end": 8100}}}}],
        [{"tcp": {}}],
        [],
    ]
)


def _verdicts(end: str, peers: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    rule = st.builds(
        lambda action, some, ports: {"action": action, end: some, **({"protocols": ports} if ports else {})},
        st.sampled_from(["Accept", "Deny", "Pass"]),
        st.lists(peers, min_size=1, max_size=2),
        _protocols,
    )
    return st.lists(rule, max_size=2)


cluster_policies = st.fixed_dictionaries(
    {
        "tier": st.sampled_from(["Admin", "Baseline"]),
        "priority": st.integers(0, 2),
        "subject": _subjects,
        "ingress": _verdicts("from", _subjects),
        "egress": _verdicts("to", _destinations),
    }
)

clusters = st.builds(
    DrawnCluster,
    st.lists(services, min_size=1, max_size=3),
    st.tuples(*[st.sampled_from(["", "east", "west"])] * 2),
    st.one_of(st.just([]), st.lists(policies, max_size=3)),
    st.one_of(st.just([]), st.lists(cluster_policies, max_size=3)),
)


# What is drawn, as objects


def service(number: int, drawn: DrawnService) -> Object:
    metadata: dict[str, Any] = {"name": f"svc-{number}", "namespace": "shop"}
    if drawn.auto:
        metadata["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    raw: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    if drawn.kind == "ExternalName":  # the one before it, or a name outside
        name = f"svc-{number - 1}.shop.svc.cluster.local" if number > 1 else "example.com"
        return Object({**raw, "spec": {"type": "ExternalName", "externalName": name}})
    spec = dict(drawn.spec)
    headless = drawn.kind == "headless"
    port = {"name": "web", "port": 80, "targetPort": 8080, "protocol": spec.pop("protocol")}
    ips = {4: f"10.96.0.{number}", 6: f"fd00:10:96::{number}"}
    own = ["None"] if headless else [ips[family] for family in drawn.families]
    spec |= {
        "type": "ClusterIP" if headless else drawn.kind,
        "clusterIP": own[0],
        "clusterIPs": own,
        "ipFamilies": [f"IPv{family}" for family in drawn.families],
        "selector": {"x": "y"},
    }
    if headless:
        port["port"] = 8080
    external = [{4: f"172.18.255.{100 + number}", 6: f"fd00:172:18:ff::{100 + number}"}[one] for one in drawn.families]
    if drawn.claims and not headless:
        spec["externalIPs"] = external
    if spec["type"] == "ClusterIP" and not spec.get("externalIPs"):
        del spec["externalTrafficPolicy"]
    status: dict[str, Any] = {}
    if spec["type"] in ("NodePort", "LoadBalancer"):
        port["nodePort"] = 30080 + number
    if spec["type"] == "LoadBalancer":
        given = {4: f"172.18.255.{number}", 6: f"fd00:172:18:ff::{number}"}
        status = {"loadBalancer": {"ingress": [{"ip": given[family]} for family in drawn.families]}}
    else:
        spec.pop("loadBalancerSourceRanges", None)
    spec["ports"] = [port]
    return Object({**raw, "spec": spec, "status": status})


def slices(made: Object, drawn: DrawnService, pods: Mapping[str, Object], zones: Mapping[str, str]) -> list[Object]:
    """The EndpointSlices that the cluster itself makes of pods in these states."""
    if drawn.kind == "ExternalName":
        return []
    shares = {node: NodeShare(zone, 2.0) for node, zone in zones.items()}
    selected = []
    for name, state in drawn.pods.items():
        found = pod_endpoint(pods[name])
        assert found is not None
        if state != "none":
            ready, ends = state in ("ready", "draining"), state in ("draining", "gone")
            selected.append(replace(found, ready=ready, terminating=ends))
    found_slices = endpoint_slices(
        made, selected, (), lambda node: shares[node].zone, lambda: zone_capacity(shares.values())
    )
    return [Object(raw) for raw in found_slices.values()]


def policy(number: int, spec: dict[str, Any]) -> Object:
    metadata = {"name": f"policy-{number}", "namespace": "shop"}
    return Object({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


def cluster_policy(number: int, spec: dict[str, Any]) -> Object:
    raw = {"apiVersion": "policy.networking.k8s.io/v1beta1", "kind": "ClusterNetworkPolicy"}
    return Object({**raw, "metadata": {"name": f"cluster-policy-{number}"}, "spec": spec})


def node(plan: NodePlan, zone: str) -> Object:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    addresses = [{"type": "InternalIP", "address": str(address)} for address in plan.addresses]
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": plan.name, "labels": labels},
            "spec": {"podCIDRs": [str(cidr) for cidr in plan.pod_cidrs]},
            "status": {"addresses": addresses, "allocatable": {"cpu": "2"}},
        }
    )


def objects(
    drawn: DrawnCluster, pods: Mapping[str, Object], plans: Sequence[NodePlan]
) -> tuple[list[Object], list[Object], list[Object]]:
    """(nodes, Services and EndpointSlices, policies)."""
    zones = {plan.name: zone for plan, zone in zip(plans, drawn.zones, strict=True)}
    served: list[Object] = []
    for number, each in enumerate(drawn.services, 1):
        made = service(number, each)
        served += [made, *slices(made, each, pods, zones)]
    policies = [policy(number, spec) for number, spec in enumerate(drawn.policies)]
    policies += [cluster_policy(number, spec) for number, spec in enumerate(drawn.cluster_policies)]
    return [node(plan, zones[plan.name]) for plan in plans], served, policies
