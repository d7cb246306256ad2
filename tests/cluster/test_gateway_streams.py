"""What passes through a Gateway as it is: TCP, TLS and UDP, with real connections from outside."""

from __future__ import annotations

import json

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: default, name: edge}
spec:
  gatewayClassName: sealane
  listeners:
    - {name: tcp, port: 7000, protocol: TCP}
    - {name: tls, port: 443, protocol: TLS, hostname: "*.example.com", tls: {mode: Passthrough}}
    - {name: udp, port: 7000, protocol: UDP}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: default, name: lines}
spec:
  replicas: 1
  selector: {matchLabels: {app: lines}}
  template:
    metadata: {labels: {app: lines}}
    spec:
      containers:
        - {name: c, image: gcr.io/gateway-api/echo-basic, env: [{name: TCP_ECHO_SERVER, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: lines}
spec: {selector: {app: lines}, ports: [{name: tcp, port: 3000}, {name: tls, port: 8443}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: default, name: datagrams}
spec:
  replicas: 1
  selector: {matchLabels: {app: datagrams}}
  template:
    metadata: {labels: {app: datagrams}}
    spec:
      containers:
        - {name: c, image: gcr.io/gateway-api/echo-basic, env: [{name: UDP_ECHO_SERVER, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: datagrams}
spec: {selector: {app: datagrams}, ports: [{name: udp, port: 8080, protocol: UDP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {namespace: default, name: tcp}
spec:
  parentRefs: [{name: edge, sectionName: tcp}]
  rules: [{backendRefs: [{name: lines, port: 3000}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {namespace: default, name: tls}
spec:
  parentRefs: [{name: edge}]
  hostnames: [lines.example.com]
  rules: [{backendRefs: [{name: lines, port: 8443}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: UDPRoute
metadata: {namespace: default, name: udp}
spec:
  parentRefs: [{name: edge, sectionName: udp}]
  rules: [{backendRefs: [{name: datagrams, port: 8080}]}]
"""
LINES = """
import socket, ssl, sys
address, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection = socket.create_connection((address, port), 5)
if name:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(connection, server_hostname=name)
file = connection.makefile("rw")
file.readline()
file.write("TEST\\n")
file.flush()
print(file.readline())
"""
DATAGRAM = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
asking.sendto(b"ping", (sys.argv[1], int(sys.argv[2])))
print(asking.recv(2000).decode())
"""

pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module")
def address(sealane: Cluster) -> str:
    sealane.apply(MANIFESTS).check()

    def programmed() -> str:
        gateway = sealane.get("gateway", "edge", "default")
        conditions = {each["type"]: each["status"] for each in gateway.get("status", {}).get("conditions", ())}
        assert conditions.get("Programmed") == "True"
        pods = sealane.get("pods", namespace="default")["items"]
        assert sum(pod["status"].get("phase") == "Running" for pod in pods) == 3
        return str(gateway["status"]["addresses"][0]["value"])

    return eventually(programmed)


def outside(sealane: Cluster, script: str, *arguments: str) -> dict[str, object]:
    def answered() -> dict[str, object]:
        done = sealane.sealane("run", "--", "python3", "-c", script, *arguments)
        assert done.ok, done
        found: dict[str, object] = json.loads(done.out)
        return found

    return eventually(answered)


def test_a_tcp_listener_passes_connections_on(sealane: Cluster, address: str) -> None:
    answer = outside(sealane, LINES, address, "7000", "")
    assert str(answer["pod"]).startswith("lines-")
    assert answer["isTLS"] is False


def test_a_tls_listener_passes_tls_through_by_name(sealane: Cluster, address: str) -> None:
    answer = outside(sealane, LINES, address, "443", "lines.example.com")
    assert answer["isTLS"] is True
    assert answer["tls"]["serverName"] == "lines.example.com"  # type: ignore[index]
    refused = sealane.sealane("run", "--", "python3", "-c", LINES, address, "443", "other.example.com")
    assert not refused.ok


def test_a_udp_listener_passes_datagrams_on_at_the_same_port_number(sealane: Cluster, address: str) -> None:
    answer = outside(sealane, DATAGRAM, address, "7000")
    assert answer["request"] == "ping"
    assert str(answer["pod"]).startswith("datagrams-")


def test_a_udp_listener_that_moves_takes_its_forwarding_along(sealane: Cluster, address: str) -> None:
    listeners = sealane.get("gateway", "edge", "default")["spec"]["listeners"]
    moved = [{**each, "port": 7001} if each["name"] == "udp" else each for each in listeners]
    patch = json.dumps({"spec": {"listeners": moved}})
    sealane.kubectl("patch", "gateway", "edge", "--type=merge", "-p", patch).check()
    assert outside(sealane, DATAGRAM, address, "7001")["request"] == "ping"

    def silent() -> bool:
        return not sealane.sealane("run", "--", "python3", "-c", DATAGRAM, address, "7000").ok

    eventually(silent)
    assert outside(sealane, LINES, address, "7000", "")["isTLS"] is False
