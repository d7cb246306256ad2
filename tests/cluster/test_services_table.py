"""Services on a running cluster, a row for each thing that Kubernetes says of them, with real packets.

A row is a Service and what must happen: who answers, which source address it sees, refusal or silence. Before each try
`trace` says what will happen, and the packet is held against that as well. Rows that change something are tests below.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from services_world import PODS, Lab, predict

from sealane.kube import kinds
from sealane.kube.client import ApiError
from sealane.testing.cluster import Cluster, eventually

MANIFESTS = Path(__file__).with_name("services_table.yaml").read_text() + "\n---\n" + PODS
NODE = {"node-1": "172.18.1.1", "node-2": "172.18.1.2"}
NODE6 = {"node-1": "fd00:172:18::1:1", "node-2": "fd00:172:18::1:2"}
OUTSIDE = "172.18.0.1"
BOTH = frozenset({"web-1", "web-2"})
TRIES = 30
"""As many as it takes for both of two pods to answer: that one is never drawn happens once in 500 million times."""

Address = Callable[[Lab, str], str]

pytestmark = pytest.mark.sealane(nodes=2)


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


def slices(name: str, addresses: tuple[str, ...], family: str = "IPv4", port: int = 8080) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-hand", "labels": {"kubernetes.io/service-name": name}},
            "addressType": family,
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [each]} for each in addresses],
        }
    )


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


@pytest.fixture(scope="module")
def lab(sealane: Cluster) -> Iterator[Lab]:
    sealane.kubectl("apply", "-f", "-", stdin=MANIFESTS).check()
    sealane.kubectl("wait", "pod", "--for=condition=Ready", "-l", "app!=waiting").check()
    lab = Lab(sealane)
    pods = {name: lab.get(kinds.POD, name)["status"]["podIP"] for name in ("web-1", "web-2")}
    made = []
    for param in ROWS:
        name, row = param.values
        made.append(
            yaml.safe_dump(
                {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, **row.metadata}, "spec": row.spec}
            )
        )
        kind, _, pod = row.also.partition(" ")
        if kind == "slice-of":
            made.append(slices(name, (pods[pod],)))
        elif kind == "endpoints-of":
            subsets = [{"addresses": [{"ip": pods[pod]}], "ports": [{"port": 8080}]}]
            made.append(
                yaml.safe_dump(
                    {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": name}, "subsets": subsets}
                )
            )
    sealane.kubectl("apply", "-f", "-", stdin="---\n".join(made)).check()
    yield lab
    lab.close()


def address_of(lab: Lab, name: str, to: str) -> str:
    match to:
        case "cluster" | "cluster6":
            return lab.cluster_ip(name, 6 if to == "cluster6" else 4)
        case "balancer":
            return str(eventually(lambda: lab.ingress(name))["ip"])
    return NODE.get(to, to)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_row(lab: Lab, name: str, row: Row) -> None:
    for each in row.tries:
        check(lab, name, each)


def check(lab: Lab, name: str, each: Try) -> None:
    """The packets, eventually (the kernel follows the API by milliseconds), and the same from the model."""
    address = address_of(lab, name, each.to)
    eventually(lambda: observe(lab, each, address) or True)
    said = predict(lab.model(), each.where, address, each.port, each.protocol)
    if isinstance(each.answer, str):
        assert said.outcomes == (each.answer,), (each, said)
    else:
        assert said.outcomes == ("answered",), (each, said)
        assert said.who == each.answer, (each, said)
        found = observe(lab, each, address)
        assert found <= said.seen, (each, found, said)


def observe(lab: Lab, each: Try, address: str) -> set[str]:
    """Tries it often and judges the answers; the source addresses that were seen."""
    tries = 1 if isinstance(each.answer, str) else TRIES
    answers = lab.ask(each.where, address, each.port, each.protocol, count=tries, timeout=0.5 if tries == 1 else 3)
    outcomes = {answer["outcome"] for answer in answers}
    if isinstance(each.answer, str):
        assert outcomes == {each.answer}, (each, answers)
        return set()
    assert outcomes == {"answered"}, (each, answers)
    assert {answer["who"] for answer in answers} == each.answer, (each, answers)
    seen = {answer["seen"] for answer in answers if "seen" in answer}
    if each.seen == "node":
        nodes = ("172.18.1.", "10.244.1.1", "10.244.2.1", "fd00:172:18::1:", "fd00:10:244:1::1", "fd00:10:244:2::1")
        assert all(one in nodes or one.startswith(("172.18.1.", "fd00:172:18::1:")) for one in seen), (each, seen)
    elif each.seen == "own":
        assert seen <= {entry["ip"] for entry in lab.get(kinds.POD, each.where)["status"]["podIPs"]}, (each, seen)
    elif each.seen:
        assert seen <= {each.seen}, (each, seen)
    return seen


def test_health_check_node_port(lab: Lab) -> None:
    """200 on the node that has an endpoint, 503 on the other, with what kube-proxy says in body and header."""
    port = lab.service("external-local")["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    for node, endpoints in (("node-1", 0), ("node-2", 1)):
        for path in ("/", "/healthz"):
            [said] = lab.ask("outside", NODE[node], port, path=path)
            assert said["status"] == (200 if endpoints else 503), said
            assert said["headers"]["X-Load-Balancing-Endpoint-Weight"] == str(endpoints)
            assert said["headers"]["Content-Type"] == "application/json"
            assert json.loads(said["text"]) == {
                "service": {"namespace": "default", "name": "external-local"},
                "localEndpoints": endpoints,
                "serviceProxyHealthy": True,
            }
        assert predict(lab.model(), "outside", NODE[node], port).outcomes == ("answered",)
    lab.patch("external-local", {"spec": {"selector": {"two": None, "one": "1"}}})
    eventually(lambda: lab.ask("outside", NODE["node-1"], port)[0]["status"] == 200)
    eventually(lambda: lab.ask("outside", NODE["node-2"], port)[0]["status"] == 503)
    to_one = Try("outside", "balancer", frozenset({"web-1"}), seen=OUTSIDE)
    check(lab, "external-local", to_one)  # the balancer has followed
    lab.patch("external-local", {"spec": {"externalTrafficPolicy": "Cluster"}})
    eventually(lambda: lab.ask("outside", NODE["node-1"], port)[0]["outcome"] == "refused")
    check(lab, "external-local", Try("outside", "balancer", frozenset({"web-1"}), seen="node"))


def test_addresses_are_objects(lab: Lab) -> None:
    """IPAddress and ServiceCIDR: listed, made and deleted with their Service, a further range usable and protected."""
    address = lab.cluster_ip("cluster-ip")
    made = lab.get(kinds.IPADDRESS, address, "")
    parent = {"group": "", "resource": "services", "namespace": "default", "name": "cluster-ip"}
    assert made["spec"]["parentRef"] == parent
    assert made["metadata"]["labels"]["ipaddress.kubernetes.io/ip-family"] == "IPv4"
    listed = lab.kubectl("get", "ipaddresses")
    assert f"{address} " in listed
    assert "services/default/cluster-ip" in listed
    assert "10.96.0.0/16,fd00:10:96::/112" in lab.kubectl("get", "servicecidrs")

    lab.delete(kinds.IPADDRESS, address, "")
    assert lab.get(kinds.IPADDRESS, address, "")["spec"]["parentRef"] == parent  # as long as the Service is there
    cidr = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.200.0.0/28"]}}
    lab.create(kinds.SERVICECIDR, cidr)
    spec = {"clusterIP": "10.200.0.9", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    lab.create(kinds.SERVICE, {"metadata": {"name": "elsewhere", "namespace": "default"}, "spec": spec})
    check(lab, "elsewhere", Try("client-1", "10.200.0.9", seen="own"))
    lab.delete(kinds.SERVICECIDR, "more", "")
    status = eventually(lambda: lab.get(kinds.SERVICECIDR, "more", "")["status"])
    eventually(lambda: lab.get(kinds.SERVICECIDR, "more", "")["status"]["conditions"][0]["reason"] == "Terminating")
    assert status
    answer = lab.refused(
        kinds.SERVICE,
        {
            "metadata": {"name": "late", "namespace": "default"},
            "spec": {"clusterIP": "10.200.0.8", "ports": [{"port": 80}]},
        },
    )
    assert "failed to allocate IP 10.200.0.8: the provided network does not match the current range" in str(answer)
    lab.delete(kinds.SERVICE, "elsewhere")
    eventually(lambda: "more" not in lab.kubectl("get", "servicecidrs", "-o", "name"))
    assert "10.200.0.9" not in lab.kubectl("get", "ipaddresses", "-o", "name")


def test_a_service_goes_to_two_families_and_back(lab: Lab) -> None:
    first = lab.service("dual-later")["spec"]["clusterIPs"]
    assert len(first) == 1
    lab.patch("dual-later", {"spec": {"ipFamilyPolicy": "PreferDualStack"}})
    both = lab.service("dual-later")["spec"]
    assert both["clusterIPs"][:1] == first
    assert both["ipFamilies"] == ["IPv4", "IPv6"]
    check(lab, "dual-later", Try("client-1", "cluster6", seen="own"))
    eventually(lambda: {each["addressType"] for each in lab.slices("dual-later")} == {"IPv4", "IPv6"})
    lab.patch("dual-later", {"spec": {"ipFamilyPolicy": "SingleStack"}})
    one = lab.service("dual-later")["spec"]
    assert (one["clusterIPs"], one["ipFamilies"]) == (first, ["IPv4"])
    eventually(lambda: {each["addressType"] for each in lab.slices("dual-later")} == {"IPv4"})
    check(lab, "dual-later", Try("client-1", "cluster", seen="own"))
    check(lab, "dual-later", Try("client-1", both["clusterIPs"][1], "silent"))


def test_old_topology_keys(lab: Lab) -> None:
    """Removed from the API; taken for what comes nearest, with a Warning header and an Event."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "*"]
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "old-keys"},
        "spec": {**spec, "topologyKeys": keys},
    }
    done = lab.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)).check()
    said = f"spec.topologyKeys [{', '.join(keys)}] was removed in Kubernetes 1.22; it is taken as trafficDistribution"
    assert f"Warning: {said}: PreferSameNode" in done.err
    assert lab.service("old-keys")["spec"]["trafficDistribution"] == "PreferSameNode"
    check(lab, "old-keys", Try("client-1", "cluster", frozenset({"web-1"})))
    check(lab, "old-keys", Try("client-2", "cluster", frozenset({"web-2"})))
    [event] = eventually(lambda: lab.events("old-keys"))
    assert (event["type"], event["reason"]) == ("Warning", "TopologyKeysTranslated")
    assert event["message"].startswith(said)


def test_node_port_addresses(lab: Lab) -> None:
    """nodePortAddresses, where kubeadm keeps it."""
    name = {"name": "kube-proxy", "namespace": "kube-system"}
    config = {"kind": "KubeProxyConfiguration", "nodePortAddresses": ["172.18.1.2/32", "10.244.0.0/16"]}
    lab.create(kinds.CONFIGMAP, {"metadata": name, "data": {"config.conf": json.dumps(config)}})
    check(lab, "node-port", Try("outside", "node-1", "refused", port=30111))
    check(lab, "node-port", Try("client-1", "10.244.1.1", port=30111))
    check(lab, "node-port", Try("outside", "node-2", seen="node", port=30111))
    lab.patch("kube-proxy", {"data": {"config.conf": "nodePortAddresses: [primary]"}}, kinds.CONFIGMAP, "kube-system")
    check(lab, "node-port", Try("client-1", "10.244.1.1", "refused", port=30111))
    check(lab, "node-port", Try("outside", "node-1", seen="node", port=30111))
    lab.delete(kinds.CONFIGMAP, "kube-proxy", "kube-system")
    check(lab, "node-port", Try("client-1", "10.244.1.1", port=30111))


def test_node_ports_are_allocated_in_their_range(lab: Lab) -> None:
    ports = [port["nodePort"] for port in lab.service("load-balancer")["spec"]["ports"]]
    assert all(30000 <= port <= 32767 for port in ports)
    assert "nodePort" not in lab.service("no-node-ports")["spec"]["ports"][0]
    check(lab, "load-balancer", Try("outside", "node-2", seen="node", port=ports[0]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "NodePort", "nodePort": 30111}, "Invalid value: 30111: provided port is already allocated"),
        ({"type": "NodePort", "nodePort": 80}, "The range of valid ports is 30000-32767"),
        ({"type": "ClusterIP", "nodePort": 30112}, "may not be used when `type` is 'ClusterIP'"),
        ({"clusterIP": "10.96.0.10"}, "failed to allocate IP 10.96.0.10: provided IP is already allocated"),
        ({"loadBalancerSourceRanges": ["192.0.2.0/24"]}, "may only be used when `type` is 'LoadBalancer'"),
        ({"externalTrafficPolicy": "Local"}, "may only be set for externally-accessible services"),
        (
            {"type": "LoadBalancer", "healthCheckNodePort": 32000},
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
        ({"trafficDistribution": "PreferMoon"}, 'supported values: "PreferClose", "PreferSameNode", "PreferSameZone"'),
        ({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}, "when multiple IP families are specified"),
        ({"sessionAffinity": "Sometimes"}, 'supported values: "ClientIP", "None"'),
    ],
)
def test_bad_input_is_refused(lab: Lab, spec: dict[str, Any], message: str) -> None:
    port = {"port": 80, **({"nodePort": spec.pop("nodePort")} if "nodePort" in spec else {})}
    answer = lab.refused(
        kinds.SERVICE,
        {"metadata": {"name": "bad", "namespace": "default"}, "spec": {**spec, "ports": [port]}},
    )
    assert answer.reason == "Invalid"
    assert message in str(answer), answer


def test_what_may_not_change_and_what_has_no_effect_is_said(lab: Lab) -> None:
    with pytest.raises(ApiError, match="may not change once set"):
        lab.patch("other-class", {"spec": {"loadBalancerClass": "example.com/another"}})
    with pytest.raises(ApiError, match="Forbidden: field is immutable"):
        lab.patch("node-local", {"spec": {"healthCheckNodePort": 32111}})
    spec = {"clusterIP": "None", "sessionAffinity": "ClientIP", "externalName": "a.example", "ports": [{"port": 80}]}
    old = {"service.kubernetes.io/topology-aware-hints": "Auto"}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "annotations": old}, "spec": spec}
    said = lab.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)).check().err
    assert "Warning: spec.SessionAffinity is ignored for headless services" in said
    assert 'Warning: spec.externalName is ignored when spec.type is not "ExternalName"' in said
    assert "Warning: annotation service.kubernetes.io/topology-aware-hints is deprecated" in said


def test_bad_input_is_said_in_events(lab: Lab) -> None:
    """What the API takes and the cluster cannot give: an Event, and the rest works on."""
    expected = {
        "outside-the-pool": "192.0.2.1 is not in the pool, 172.18.255.0/24",
        "taken-address": "172.18.255.77 is taken by Service default/asked-address",
        "later-ip": "externalIP 198.51.100.7 port 8088/TCP belongs to the older Service default/external-ip",
        "nobody": "no pod is selected by app=nobody and has the ports: nobody can answer for this Service",
    }
    for name, words in expected.items():
        eventually(
            lambda name=name, words=words: any(words in each["message"] for each in lab.events(name)), seconds=20
        )
    check(lab, "external-ip", Try("client-1", "198.51.100.7", seen="node", port=8088))
    check(lab, "asked-address", Try("outside", "172.18.255.77"))
    for name in ("outside-the-pool", "taken-address", "other-class"):
        assert not lab.service(name)["status"]["loadBalancer"].get("ingress")
        port = lab.service(name)["spec"]["ports"][0]["nodePort"]
        check(lab, name, Try("outside", "node-1", seen="node", port=port))


def test_session_affinity(lab: Lab) -> None:
    """A client stays with one endpoint, from outside too, and may get another once the time is over."""
    address = lab.cluster_ip("affine")
    first = {each["who"] for each in lab.ask("client-1", address, 80, count=TRIES)}
    assert len(first) == 1
    balancer = str(eventually(lambda: lab.ingress("affine"))["ip"])
    assert len({each["who"] for each in lab.ask("outside", balancer, 80, count=TRIES)}) == 1
    said = predict(lab.model(), "client-1", address, 80)
    assert (said.outcomes, said.who) == (("answered",), BOTH)
    eventually(lambda: lab.ask("client-1", address, 80)[0]["who"] not in first, seconds=60, every=2.2)


def test_terminating_endpoints(lab: Lab) -> None:
    """A pod that terminates and still serves gets traffic while nobody else is ready (KEP-1669, KEP-1672)."""
    check(lab, "leaving", Try("client-2", "cluster", frozenset({"leaving-1"}), seen="own"))
    lab.kubectl("delete", "pod", "leaving-1", "--wait=false")
    conditions = {"ready": False, "serving": True, "terminating": True}
    eventually(lambda: lab.slices("leaving")[0]["endpoints"][0]["conditions"] == conditions)
    check(lab, "leaving", Try("client-2", "cluster", frozenset({"leaving-1"}), seen="own"))
    check(lab, "leaving", Try("outside", "node-2", frozenset({"leaving-1"}), seen="node", port=30130))
    lab.patch("leaving", {"spec": {"selector": {"app": None, "two": "2"}}})
    check(lab, "leaving", Try("client-2", "cluster", frozenset({"web-2"}), seen="own"))
    lab.patch("leaving", {"spec": {"selector": {"app": "leaving", "two": None}}})
    check(lab, "leaving", Try("client-2", "cluster", frozenset({"leaving-1"}), seen="own"))
    lab.kubectl("delete", "pod", "leaving-1", "--grace-period=0", "--force")
    check(lab, "leaving", Try("client-2", "cluster", "refused"))


def test_udp_flows_end_with_their_endpoint(lab: Lab) -> None:
    """A client that goes on sending from one socket is not left with an endpoint that is gone."""
    address = lab.cluster_ip("talker")

    def ask() -> str:
        [said] = lab.ask("client-1", address, 80, "UDP", keep="talker", timeout=0.5)
        return str(said.get("who", said["outcome"]))

    first = eventually(lambda: ask() if ask().startswith("talker") else "")
    assert {ask() for _ in range(5)} == {first}
    lab.kubectl("delete", "pod", first, "--grace-period=0", "--force")
    other = "talker-1" if first == "talker-2" else "talker-2"
    eventually(lambda: ask() == other)
    lab.kubectl("delete", "pod", other, "--grace-period=0", "--force")
    eventually(lambda: ask() == "refused")


def test_zones(lab: Lab) -> None:
    """trafficDistribution and the topology-mode annotation, by the labels of nodes."""
    for name in ("near-zone", "close", "auto-zone"):
        check(lab, name, Try("client-1", "cluster"))
    lab.kubectl("label", "node", "node-1", "topology.kubernetes.io/zone=east")
    lab.kubectl("label", "node", "node-2", "topology.kubernetes.io/zone=west")
    for name in ("near-zone", "close", "auto-zone"):
        check(lab, name, Try("client-1", "cluster", frozenset({"web-1"})))
        check(lab, name, Try("client-2", "cluster", frozenset({"web-2"})))
        zones = {
            each["nodeName"]: each["hints"]["forZones"] for found in lab.slices(name) for each in found["endpoints"]
        }
        assert zones == {"node-1": [{"name": "east"}], "node-2": [{"name": "west"}]}
    lab.kubectl("label", "node", "--all", "topology.kubernetes.io/zone-")
    for name in ("near-zone", "close", "auto-zone"):
        check(lab, name, Try("client-1", "cluster"))


def test_sctp_and_app_protocol(lab: Lab) -> None:
    """SCTP: addresses, slices and rules; the kernel need not have sockets for it."""
    address = lab.cluster_ip("sctp")
    [found] = eventually(lambda: [each for each in lab.slices("sctp") if len(each["endpoints"]) == 2])
    assert found["ports"] == [{"name": "", "port": 9100, "protocol": "SCTP"}]
    said = predict(lab.model(), "client-1", address, 9100, "SCTP")
    assert (said.outcomes, said.who) == (("answered",), BOTH)
    [found] = lab.slices("several-ports")
    ports = {(port["name"], port["protocol"]): port for port in found["ports"]}
    assert ports["web", "TCP"]["appProtocol"] == "http"
    assert ports["datagrams", "UDP"]["port"] == 8080


AWS = "service.beta.kubernetes.io/aws-load-balancer-"


def balanced(name: str, annotations: dict[str, str], **spec: Any) -> dict[str, Any]:
    ports = [{"name": "tls", "port": 443, "targetPort": 8080}, {"name": "plain", "port": 80, "targetPort": 8080}]
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    return {"metadata": metadata, "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": ports, **spec}}


def test_tls_at_the_load_balancer(lab: Lab, tmp_path: Path) -> None:
    """TLS ends at the load balancer with the Secret in the ARN's place, which may come later or change."""
    arn = "arn:aws:acm:us-west-2:123456789012:certificate/abcdefg"
    given = {f"{AWS}ssl-cert": arn, f"{AWS}ssl-ports": "443", f"{AWS}backend-protocol": "http"}
    lab.create(kinds.SERVICE, balanced("tls", given))
    entry = eventually(lambda: lab.ingress("tls"))
    assert entry["ipMode"] == "Proxy"

    def ask(where: str, port: int = 443, **more: Any) -> dict[str, Any]:
        return lab.ask(where, entry["ip"], port, tls=port == 443, timeout=5, **more)[0]

    said = eventually(lambda: found if (found := ask("outside"))["outcome"] == "answered" else None)
    assert said["tls"] in ("TLSv1.2", "TLSv1.3")
    fields = json.loads(said["text"])["headers"]
    assert (fields["X-Forwarded-For"], fields["X-Forwarded-Proto"], fields["X-Forwarded-Port"]) == (
        OUTSIDE,
        "https",
        "443",
    )
    assert {ask("outside")["who"] for _ in range(TRIES)} == BOTH
    assert ask("outside", 80)["outcome"] == "answered"
    eventually(lambda: any(each["reason"] == "CertificateMissing" for each in lab.events("tls")))
    for where in ("client-1", "host-1"):  # nodes leave the address to the load balancer
        said = ask(where)
        assert (said["outcome"], json.loads(said["text"])["headers"]["X-Forwarded-For"]) == ("answered", NODE["node-1"])
        predicted = predict(lab.model(), where, entry["ip"], 443)
        assert (predicted.outcomes, predicted.who) == (("answered",), BOTH)
        assert said["seen"] in predicted.seen

    key, certificate = tmp_path / "key", tmp_path / "crt"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com"]
    subprocess.run(
        ["openssl", *request, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    lab.kubectl("create", "secret", "tls", "abcdefg", f"--cert={certificate}", f"--key={key}")
    eventually(lambda: ask("outside", host="shop.example.com", ca=str(certificate))["outcome"] == "answered")


def test_proxy_protocol(lab: Lab) -> None:
    """The PROXY header comes before the first byte, and says who came: a raw listener shows it."""
    lab.create(kinds.SERVICE, balanced("proxied", {f"{AWS}proxy-protocol": "*"}, selector={"app": "raw"}))
    entry = eventually(lambda: lab.ingress("proxied"))
    said = eventually(
        lambda: (
            found if "PROXY" in str(found := lab.ask("outside", entry["ip"], 80, raw="hello", timeout=5)[0]) else None
        )
    )
    assert f"PROXY TCP4 {OUTSIDE} {entry['ip']} " in said["text"]
    assert said["text"].endswith("hello")


def test_a_balancer_of_its_own_follows_policies(lab: Lab) -> None:
    """externalTrafficPolicy Local and source ranges, where the load balancer takes connections itself."""
    given = {f"{AWS}backend-protocol": "http"}
    spec = {"selector": {"two": "2"}, "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["172.18.0.0/24"]}
    lab.create(kinds.SERVICE, balanced("proxied-local", given, **spec))
    eventually(lambda: lab.ingress("proxied-local"))
    check(lab, "proxied-local", Try("outside", "balancer", frozenset({"web-2"}), seen=OUTSIDE))
    check(lab, "proxied-local", Try("client-1", "balancer", "refused"))
    lab.patch("proxied-local", {"metadata": {"annotations": {f"{AWS}backend-protocol": None}}})
    eventually(lambda: lab.ingress("proxied-local")["ipMode"] == "VIP")
    check(lab, "proxied-local", Try("outside", "balancer", frozenset({"web-2"}), seen=OUTSIDE))
    lab.delete(kinds.SERVICE, "proxied-local")


def test_annotations_without_effect_are_said(lab: Lab) -> None:
    lab.create(kinds.SERVICE, balanced("cloudy", {f"{AWS}type": "nlb", f"{AWS}healthcheck-path": "/health"}))
    event = eventually(lambda: [each for each in lab.events("cloudy") if each["reason"] == "AnnotationIgnored"])[0]
    assert f"{AWS}type (AWS: the kind of load balancer) has no meaning here" in event["message"]
    assert f"{AWS}healthcheck-path (AWS: how targets are checked) has no meaning here" in event["message"]


def test_names_of_load_balancers(lab: Lab) -> None:
    """The DNS label of Azure and the names of ExternalDNS, as the cluster's pods see them."""
    given = {
        "service.beta.kubernetes.io/azure-dns-label-name": "myapp",
        "external-dns.alpha.kubernetes.io/hostname": "www.example.com, shop.example.com.",
    }
    lab.create(kinds.SERVICE, balanced("named", given))
    address = eventually(lambda: lab.ingress("named"))["ip"]
    for name in ("myapp.cloudapp.azure.com", "www.example.com", "shop.example.com"):
        said = eventually(
            lambda name=name: (
                found
                if (found := lab.ask("client-1", name, 80, count=TRIES)) and found[0]["outcome"] == "answered"
                else None
            )
        )
        assert {each["address"] for each in said} == {address}
        assert {each["who"] for each in said} == BOTH
        predicted = predict(lab.model(), "client-1", name, 80)
        assert (predicted.outcomes, predicted.who) == (("answered",), BOTH)
    lab.delete(kinds.SERVICE, "named")
    eventually(lambda: lab.ask("client-1", "www.example.com", 80)[0]["outcome"] == "unresolved")
