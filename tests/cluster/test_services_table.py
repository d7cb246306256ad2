"""Services on a running cluster, a row for each thing that Kubernetes says of them, with real packets.

A row (services_rows) is a Service and what must happen: who answers, which source address it sees, refusal or silence.
Before each try `trace` says what will happen, and the packet is held against that as well. Rows that change something
are tests below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from services_rows import BOTH, NODE, OUTSIDE, ROWS, Row, Try
from services_tries import TRIES, check
from services_world import PODS, Lab, predict

from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.testing.cluster import Cluster, eventually

MANIFESTS = Path(__file__).with_name("services_table.yaml").read_text() + "\n---\n" + PODS

pytestmark = pytest.mark.sealane(nodes=2)


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


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_row(lab: Lab, name: str, row: Row) -> None:
    for each in row.tries:
        check(lab, name, each)


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
    lab.kubectl("delete", "pod", "leaving-1", "--grace-period=0", "--force", "--ignore-not-found")
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
    said = eventually(lambda: found if len(found := lab.events("auto-zone")) > 1 else None)
    messages = {each["reason"]: each["message"] for each in said}
    assert messages["TopologyAwareHintsDisabled"].startswith("Insufficient Node information: allocatable CPU or zone")
    assert messages["TopologyAwareHintsEnabled"] == "Topology Aware Hints has been enabled, addressType: IPv4"
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
