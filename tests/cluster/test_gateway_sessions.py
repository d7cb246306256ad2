"""Clients that keep their endpoint (SessionPersistence), which the official suite does not look at."""

from __future__ import annotations

import json

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: default, name: edge}
spec: {gatewayClassName: sealane, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: default, name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: default, name: web}
spec:
  parentRefs: [{name: edge}]
  rules:
    - {matches: [{path: {value: /cookie}}], sessionPersistence: {}, backendRefs: [{name: web, port: 80}]}
    - matches: [{path: {value: /header}}]
      sessionPersistence: {type: Header, header: {name: x-session}}
      backendRefs: [{name: web, port: 80}]
    - {matches: [{path: {value: /free}}], backendRefs: [{name: web, port: 80}]}
"""
ASK = """
import http.client, json, sys
address, path, told, tell = sys.argv[1:]
pods, kept = [], {}
for _ in range(12):
    connection = http.client.HTTPConnection(address, 80, timeout=5)
    connection.request("GET", path, headers=kept)
    answer = connection.getresponse()
    pods.append(json.loads(answer.read())["pod"])
    said = answer.getheader(told)
    if said:
        kept = {tell: said.partition(";")[0]}
print(json.dumps(pods))
"""
pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module")
def address(sealane: Cluster) -> str:
    sealane.apply(MANIFESTS).check()
    gateway = sealane.get("gateway", "edge", "default")
    return str(gateway["status"]["addresses"][0]["value"])


def pods(sealane: Cluster, address: str, path: str, told: str = "none", tell: str = "none") -> set[str]:
    def asked() -> set[str]:
        done = sealane.sealane("run", "--", "python3", "-c", ASK, address, path, told, tell)
        assert done.ok, done
        return set(json.loads(done.out))

    return eventually(asked)


def test_a_client_keeps_its_endpoint_by_cookie_or_header(sealane: Cluster, address: str) -> None:
    assert len(pods(sealane, address, "/free")) > 1
    assert len(pods(sealane, address, "/cookie", "set-cookie", "cookie")) == 1
    assert len(pods(sealane, address, "/header", "x-session", "x-session")) == 1
