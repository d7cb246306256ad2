"""Services that need a whole cluster: endpoints written by hand, zones, and the ways in from the host."""

from __future__ import annotations

import socket
import subprocess

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule,
         labelSelector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  trafficDistribution: PreferClose
  selector: {app: web}
  ports: [{port: 80, nodePort: 30123}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-1, containers: [{name: c, image: curlimages/curl}]}
---
apiVersion: v1
kind: Service
metadata: {name: byhand}
spec: {ports: [{port: 8080}]}
"""
pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module", autouse=True)
def _manifests(sealane: Cluster) -> None:
    sealane.apply(MANIFEST)


def endpoints(address: str, **labels: str) -> str:
    text = ", ".join(f"{key}: '{value}'" for key, value in {"x": "y", **labels}.items())
    return f"""
apiVersion: v1
kind: Endpoints
metadata: {{name: byhand, labels: {{{text}}}}}
subsets: [{{addresses: [{{ip: {address}}}], ports: [{{port: 80}}]}}]
"""


def answered(sealane: Cluster, url: str, count: int = 12) -> set[str]:
    loop = f"for i in $(seq {count}); do curl -s --max-time 5 {url}; echo; done"
    out = sealane.exec("client", "sh", "-c", loop).check().out
    return {line.split('"pod": "')[1].split('"')[0] for line in out.splitlines() if '"pod": "' in line}


def pods(sealane: Cluster) -> dict[str, dict[str, str]]:
    """The web pods: name and address by node."""
    return {
        pod["spec"]["nodeName"]: {"name": pod["metadata"]["name"], "ip": pod["status"]["podIP"]}
        for pod in sealane.get("pods", namespace="default")["items"]
        if pod["metadata"].get("labels", {}).get("app") == "web"
    }


def test_endpoints_written_by_hand_are_mirrored(sealane: Cluster) -> None:
    first, second = pods(sealane).values()
    sealane.kubectl("apply", "-f", "-", stdin=endpoints(first["ip"])).check()
    eventually(lambda: answered(sealane, "http://byhand:8080", 3) == {first["name"]})
    sealane.kubectl("apply", "-f", "-", stdin=endpoints(second["ip"])).check()
    eventually(lambda: answered(sealane, "http://byhand:8080", 3) == {second["name"]})
    [mirror] = [
        item
        for item in sealane.get("endpointslices", namespace="default")["items"]
        if item["metadata"]["labels"].get("kubernetes.io/service-name") == "byhand"
    ]
    assert mirror["metadata"]["labels"]["x"] == "y"
    assert mirror["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    skip = endpoints(second["ip"], **{"endpointslice.kubernetes.io/skip-mirror": "true"})
    sealane.kubectl("apply", "-f", "-", stdin=skip).check()
    eventually(lambda: answered(sealane, "http://byhand:8080", 3) == set())


def test_a_zone_label_keeps_traffic_in_the_zone(sealane: Cluster) -> None:
    found = pods(sealane)
    everybody = {pod["name"] for pod in found.values()}
    assert answered(sealane, "http://web", 24) == everybody
    for node, zone in (("node-1", "east"), ("node-2", "west")):
        sealane.kubectl("label", "node", node, f"topology.kubernetes.io/zone={zone}").check()
    eventually(lambda: answered(sealane, "http://web", 24) == {found["node-1"]["name"]})
    for node in ("node-1", "node-2"):
        sealane.kubectl("label", "node", node, "topology.kubernetes.io/zone-").check()
    eventually(lambda: answered(sealane, "http://web", 24) == everybody)


def test_cloud_annotations_have_an_effect_or_an_event(sealane: Cluster) -> None:
    sealane.apply(
        """
apiVersion: v1
kind: Service
metadata:
  name: cloudy
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: "9"
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80}]}
"""
    )
    address = sealane.get("service", "cloudy", "default")["status"]["loadBalancer"]["ingress"][0]["ip"]
    assert address.startswith("172.18.254.")
    assert answered(sealane, f"http://{address}", 1) != set()

    def said() -> list[str]:
        events = sealane.get("events", namespace="default")["items"]
        return [event["message"] for event in events if event["reason"] == "AnnotationIgnored"]

    [message] = eventually(said)
    assert "azure-load-balancer-tcp-idle-timeout (Azure: minutes until an idle connection ends) is not" in message


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["curl", "-sS", "--max-time", "5", *arguments], capture_output=True, text=True, check=False)


def test_node_ports_on_loopback(sealane: Cluster) -> None:
    found = [each for each in sealane.status()["reachable"] if each["what"] == "Service default/web"]
    assert {each["address"] for each in found} == {"172.18.1.1:30123", "172.18.1.2:30123"}
    for each in found:
        assert each["host"].startswith("127.19.")
        assert '"pod": "web-' in curl(f"http://{each['host']}/").stdout


@pytest.mark.parametrize("host", ["web.default.svc.cluster.local", "web.default", "web", "172.18.1.2:30123"])
def test_proxy(sealane: Cluster, host: str) -> None:
    proxy = sealane.status()["proxy"]
    done = curl("-x", proxy, f"http://{host}/")
    assert '"pod": "web-' in done.stdout, done


def test_datagrams_through_the_proxy(sealane: Cluster) -> None:
    """UDP ASSOCIATE: the cluster's DNS, asked by its address from the host."""
    host, _, port = sealane.status()["proxy"].removeprefix("socks5h://").rpartition(":")
    with socket.create_connection((host, int(port)), 10) as control, socket.socket(type=socket.SOCK_DGRAM) as client:
        control.sendall(b"\x05\x01\x00")
        assert control.recv(2) == b"\x05\x00"
        control.sendall(b"\x05\x03\x00\x01" + bytes(6))
        answer = control.recv(10)
        assert answer[:4] == b"\x05\x00\x00\x01"
        relay = socket.inet_ntoa(answer[4:8]), int.from_bytes(answer[8:], "big")
        question = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\x03web\x07default\x03svc\x07cluster\x05local\x00"
        name = b"kube-dns.kube-system.svc.cluster.local"
        client.settimeout(10)
        for to in (b"\x01" + socket.inet_aton("10.96.0.10"), b"\x03" + bytes([len(name)]) + name):
            client.sendto(bytes(3) + to + b"\x00\x35" + question + b"\x00\x01\x00\x01", relay)
            said = client.recv(2048)
            assert said[:4] == b"\x00\x00\x00\x01"
            assert said[10:12] == b"\x12\x34"
            address = sealane.get("service", "web", "default")["spec"]["clusterIP"]
            assert said.endswith(socket.inet_aton(address))


def test_what_the_proxy_cannot_reach_is_said(sealane: Cluster) -> None:
    proxy = sealane.status()["proxy"]
    assert curl("-x", proxy, "http://nobody.default.svc.cluster.local/").returncode == 97  # refused by the proxy
    assert curl("-x", proxy, "http://byhand.default.svc.cluster.local:1/").returncode == 97
