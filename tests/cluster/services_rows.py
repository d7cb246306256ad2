"""The rows of tests/cluster/test_services_table.py: a Service each, and what must happen when it is tried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

NODE = {"node-1": "172.18.1.1", "node-2": "172.18.1.2"}
NODE6 = {"node-1": "fd00:172:18::1:1", "node-2": "fd00:172:18::1:2"}
OUTSIDE = "172.18.0.1"
BOTH = frozenset({"web-1", "web-2"})


@dataclass(frozen=True)
class Try:
    """From a place to an address of the row's Service.

    to: "cluster", "cluster6", "balancer", a node's name (its nodePort), or an address. answer: the pods that answer,
    all of which do when it is tried often; or an outcome. seen: the source address they see: "own" for the sender's
    own, "node" for one of a node's; "" when it does not matter.
    """

    where: str
    to: str
    answer: frozenset[str] | str = BOTH
    seen: str = ""
    port: int = 80
    protocol: str = "TCP"


@dataclass(frozen=True)
class Row:
    """spec: of the Service, its selector (app: web) and port (80 to 8080) unless given. also: further objects."""

    bullet: str
    spec: dict[str, Any]
    tries: tuple[Try, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    also: str = ""


def row(
    name: str, bullet: str, *tries: Try, metadata: dict[str, Any] | None = None, also: str = "", **spec: Any
) -> Any:
    full = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    full = {key: value for key, value in full.items() if value is not None}
    return pytest.param(name, Row(bullet, full, tries, metadata or {}, also), id=name)


ROWS = [
    row(
        "cluster-ip",
        "ClusterIP: from pods with their own address, from a node, not from outside",
        Try("client-1", "cluster", seen="own"),
        Try("client-2", "cluster", seen="own"),
        Try("host-1", "cluster", seen="node"),
        Try("outside", "cluster", "unreachable"),
        Try("client-1", "cluster", "refused", port=81),
    ),
    row(
        "node-port",
        "NodePort chosen: every node's address, from outside and inside",
        Try("outside", "node-1", seen="node", port=30111),
        Try("outside", "node-2", seen="node", port=30111),
        Try("client-1", "node-2", seen="node", port=30111),
        Try("host-1", "node-1", seen="node", port=30111),
        Try("client-1", "cluster", seen="own"),
        type="NodePort",
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30111}],
    ),
    row(
        "node-port-six",
        "NodePort on the nodes' IPv6 addresses, dual stack",
        Try("outside", NODE6["node-1"], seen="node", port=30116),
        Try("outside", "node-2", seen="node", port=30116),
        Try("client-1", "cluster6", seen="own"),
        type="NodePort",
        ipFamilyPolicy="RequireDualStack",
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30116}],
    ),
    row(
        "load-balancer",
        "LoadBalancer: an address of the pool, from outside and inside",
        Try("outside", "balancer", seen="node"),
        Try("client-1", "balancer", seen="node"),
        Try("host-1", "balancer", seen="node"),
        Try("outside", "balancer", "refused", port=81),
        type="LoadBalancer",
    ),
    row(
        "asked-address",
        "LoadBalancer: spec.loadBalancerIP",
        Try("outside", "172.18.255.77"),
        type="LoadBalancer",
        loadBalancerIP="172.18.255.77",
    ),
    row(
        "source-ranges",
        "LoadBalancer: loadBalancerSourceRanges that hold outside, not client-2's node",
        Try("outside", "balancer", seen="node"),
        Try("client-1", "balancer", seen="node"),
        Try("client-2", "balancer", "silent"),
        Try("client-2", "cluster", seen="own"),
        type="LoadBalancer",
        loadBalancerSourceRanges=["172.18.0.0/24", "10.244.1.0/24"],
    ),
    row(
        "closed-ranges",
        "LoadBalancer: loadBalancerSourceRanges that do not hold outside; node ports are not bound by them",
        Try("outside", "balancer", "silent"),
        Try("outside", "node-1", port=30117),
        type="LoadBalancer",
        loadBalancerSourceRanges=["192.0.2.0/24"],
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30117}],
    ),
    row(
        "no-node-ports",
        "LoadBalancer: allocateLoadBalancerNodePorts false",
        Try("outside", "balancer"),
        type="LoadBalancer",
        allocateLoadBalancerNodePorts=False,
    ),
    row(
        "internal-balancer",
        "LoadBalancer of the internal pool: from pods and nodes, not from outside",
        Try("client-1", "balancer", seen="node"),
        Try("host-1", "balancer"),
        Try("outside", "balancer", "unreachable"),
        metadata={"annotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}},
        type="LoadBalancer",
    ),
    row(
        "external-local",
        "externalTrafficPolicy Local: the balancer sends to nodes that have an endpoint, the pod sees the client",
        Try("outside", "balancer", frozenset({"web-2"}), seen=OUTSIDE),
        Try("outside", "node-2", frozenset({"web-2"}), seen=OUTSIDE, port=30118),
        Try("outside", "node-1", "silent", port=30118),
        Try("client-1", "balancer", frozenset({"web-2"}), seen="own"),
        Try("host-1", "balancer", frozenset({"web-2"}), seen="node"),
        Try("client-1", "cluster", frozenset({"web-2"}), seen="own"),
        type="LoadBalancer",
        selector={"two": "2"},
        externalTrafficPolicy="Local",
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30118}],
    ),
    row(
        "node-port-local",
        "externalTrafficPolicy Local on NodePorts: each node its own pod",
        Try("outside", "node-1", frozenset({"web-1"}), seen=OUTSIDE, port=30119),
        Try("outside", "node-2", frozenset({"web-2"}), seen=OUTSIDE, port=30119),
        Try("client-1", "node-1", seen="own", port=30119),
        type="NodePort",
        externalTrafficPolicy="Local",
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30119}],
    ),
    row(
        "internal-local",
        "internalTrafficPolicy Local: pods and node reach only what is on their node",
        Try("client-1", "cluster", frozenset({"web-1"}), seen="own"),
        Try("client-2", "cluster", frozenset({"web-2"}), seen="own"),
        Try("host-1", "cluster", frozenset({"web-1"}), seen="node"),
        internalTrafficPolicy="Local",
    ),
    row(
        "internal-local-elsewhere",
        "internalTrafficPolicy Local without an endpoint on the node: dropped",
        Try("client-1", "cluster", "silent"),
        Try("client-2", "cluster", frozenset({"web-2"})),
        selector={"two": "2"},
        internalTrafficPolicy="Local",
    ),
    row(
        "external-name",
        "ExternalName: an alias in DNS",
        Try("client-1", "external-name", frozenset({"web-1"}), port=8080),
        type="ExternalName",
        externalName="headless-one.default.svc.cluster.local",
        selector=None,
        ports=None,
    ),
    row(
        "headless",
        "headless with selector: names are the pods' own addresses",
        Try("client-1", "headless", port=8080, seen="own"),
        Try("client-1", "headless", "refused", port=80),
        clusterIP="None",
    ),
    row(
        "headless-one",
        "headless with a selector for one pod",
        Try("client-2", "headless-one", frozenset({"web-1"}), port=8080, seen="own"),
        clusterIP="None",
        selector={"one": "1"},
    ),
    row(
        "headless-by-hand",
        "headless without selector: EndpointSlices written by hand",
        Try("client-1", "headless-by-hand", frozenset({"web-2"}), port=8080, seen="own"),
        clusterIP="None",
        selector=None,
        also="slice-of web-2",
    ),
    row(
        "external-ip",
        "externalIPs: from inside and, where the address leads to a node, from outside",
        Try("client-1", "198.51.100.7", seen="node", port=8088),
        Try("client-1", NODE["node-1"], seen="node", port=8088),
        Try("outside", NODE["node-1"], seen="node", port=8088),
        externalIPs=["198.51.100.7", NODE["node-1"]],
        ports=[{"port": 8088, "targetPort": 8080}],
    ),
    row(
        "by-hand",
        "no selector: an EndpointSlice written by hand",
        Try("client-1", "cluster", frozenset({"web-1"}), seen="own"),
        selector=None,
        also="slice-of web-1",
    ),
    row(
        "by-hand-old",
        "no selector: Endpoints written by hand, mirrored",
        Try("client-2", "cluster", frozenset({"web-2"}), seen="own"),
        selector=None,
        also="endpoints-of web-2",
    ),
    row(
        "six",
        "single stack IPv6",
        Try("client-1", "cluster6", seen="own"),
        ipFamilies=["IPv6"],
    ),
    row(
        "dual",
        "PreferDualStack: both families",
        Try("client-1", "cluster", seen="own"),
        Try("client-1", "cluster6", seen="own"),
        ipFamilyPolicy="PreferDualStack",
    ),
    row(
        "dual-six-first",
        "RequireDualStack with IPv6 first",
        Try("client-1", "cluster6", seen="own"),
        Try("client-1", "cluster", seen="own"),
        ipFamilyPolicy="RequireDualStack",
        ipFamilies=["IPv6", "IPv4"],
    ),
    row("outside-the-pool", "an address outside the pool", type="LoadBalancer", loadBalancerIP="192.0.2.1"),
    row("taken-address", "an address that another has", type="LoadBalancer", loadBalancerIP="172.18.255.77"),
    row(
        "later-ip",
        "an externalIP that an older Service has",
        Try("client-1", "cluster", frozenset({"web-2"}), port=8088),
        selector={"two": "2"},
        externalIPs=["198.51.100.7"],
        ports=[{"port": 8088, "targetPort": 8080}],
    ),
    row(
        "other-class",
        "loadBalancerClass of somebody else: no address from us",
        type="LoadBalancer",
        loadBalancerClass="example.com/other",
    ),
    row(
        "affine",
        "sessionAffinity ClientIP with its timeout (below)",
        type="LoadBalancer",
        sessionAffinity="ClientIP",
        sessionAffinityConfig={"clientIP": {"timeoutSeconds": 2}},
    ),
    row(
        "leaving",
        "terminating endpoints (below)",
        type="NodePort",
        selector={"app": "leaving"},
        ports=[{"port": 80, "targetPort": 8080, "nodePort": 30130}],
    ),
    row(
        "talker",
        "UDP flows of an endpoint that goes (below)",
        selector={"app": "talker"},
        ports=[{"port": 80, "targetPort": 8080, "protocol": "UDP"}],
    ),
    row("near-zone", "trafficDistribution PreferSameZone (below)", trafficDistribution="PreferSameZone"),
    row("close", "trafficDistribution PreferClose (below)", trafficDistribution="PreferClose"),
    row(
        "auto-zone",
        "service.kubernetes.io/topology-mode: Auto (below)",
        metadata={"annotations": {"service.kubernetes.io/topology-mode": "Auto"}},
    ),
    row("sctp", "SCTP (below)", ports=[{"port": 9100, "targetPort": "streams", "protocol": "SCTP"}]),
    row("node-local", "a health check that stays", type="LoadBalancer", externalTrafficPolicy="Local"),
    row("dual-later", "single stack, before it becomes dual", Try("client-1", "cluster", seen="own")),
    row(
        "several-ports",
        "several ports, and one number for TCP and UDP",
        Try("client-1", "cluster", seen="own"),
        Try("client-1", "cluster", protocol="UDP"),
        Try("client-1", "cluster", port=8000),
        ports=[
            {"name": "web", "port": 80, "targetPort": "http", "appProtocol": "http"},
            {"name": "datagrams", "port": 80, "protocol": "UDP", "targetPort": "datagrams"},
            {"name": "admin", "port": 8000, "targetPort": 8081},
        ],
    ),
    row(
        "named-port",
        "targetPort by a name that is another number on each pod",
        Try("client-1", "cluster", seen="own"),
        ports=[{"port": 80, "targetPort": "api"}],
    ),
    row(
        "same-port",
        "targetPort not given: the same number",
        Try("client-2", "cluster", port=8081),
        ports=[{"port": 8081}],
    ),
    row(
        "no-such-port",
        "targetPort by a name that no pod has: no endpoint, refused",
        Try("client-1", "cluster", "refused"),
        ports=[{"port": 80, "targetPort": "nowhere"}],
    ),
    row(
        "nobody",
        "a selector that matches nothing: refused, on every address",
        Try("client-1", "cluster", "refused"),
        Try("host-1", "cluster", "refused"),
        Try("outside", "balancer", "refused"),
        Try("outside", "node-1", "refused", port=30120),
        type="LoadBalancer",
        selector={"app": "nobody"},
        ports=[{"port": 80, "nodePort": 30120}],
    ),
    row(
        "not-ready",
        "a pod that is not ready gets nothing",
        Try("client-1", "cluster", "refused"),
        selector={"app": "waiting"},
    ),
    row(
        "not-ready-published",
        "publishNotReadyAddresses: a pod that is not ready gets traffic all the same",
        Try("client-1", "cluster", frozenset({"waiting-1"}), seen="own"),
        selector={"app": "waiting"},
        publishNotReadyAddresses=True,
    ),
    row(
        "hairpin",
        "a pod that reaches itself sees its node's address",
        Try("web-1", "cluster", frozenset({"web-1"}), seen="node"),
        selector={"one": "1"},
    ),
    row(
        "near-node",
        "trafficDistribution PreferSameNode",
        Try("client-1", "cluster", frozenset({"web-1"})),
        Try("client-2", "cluster", frozenset({"web-2"})),
        trafficDistribution="PreferSameNode",
    ),
]
