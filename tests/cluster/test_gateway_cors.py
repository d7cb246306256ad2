"""Preflights (HTTPCORSFilter, GEP-1767) of rules that forward, redirect and answer themselves: `evaluate` and Envoy say
the same."""

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
apiVersion: v1
kind: Pod
metadata: {namespace: default, name: web, labels: {app: web}}
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
    - matches: [{path: {value: /forwarded}}]
      filters: [&cors {type: CORS, cors: {allowOrigins: ["https://*.shop.example"], allowMethods: [GET, PUT]}}]
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {value: /moved}}]
      filters: [*cors, {type: RequestRedirect, requestRedirect: {hostname: other.example}}]
    - matches: [{path: {value: /nowhere}}]
      filters: [*cors]
"""
ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=5)
connection.request(sys.argv[2], sys.argv[3], headers=json.loads(sys.argv[4]))
answer = connection.getresponse()
print(json.dumps([answer.status, {name.lower(): value for name, value in answer.getheaders()}]))
"""
pytestmark = pytest.mark.sealane(nodes=1)
GOOD, BAD = "https://a.shop.example", "https://evil.example"


@pytest.fixture(scope="module")
def address(sealane: Cluster) -> str:
    sealane.apply(MANIFESTS).check()
    address = str(sealane.get("gateway", "edge", "default")["status"]["addresses"][0]["value"])
    eventually(lambda: asked(sealane, address, "GET", "/forwarded")[0] == 200)
    return address


def asked(
    sealane: Cluster, address: str, method: str, path: str, origin: str = "", wants: str = ""
) -> tuple[int, dict[str, str]]:
    headers = {"Origin": origin, "Access-Control-Request-Method": wants}
    words = json.dumps({name: value for name, value in headers.items() if value})
    done = sealane.sealane("run", "--", "python3", "-c", ASK, address, method, path, words)
    status, told = json.loads(done.check().out)
    return status, told


@pytest.mark.parametrize(("path", "otherwise"), [("/forwarded", 200), ("/moved", 302), ("/nowhere", 500)])
def test_the_proxy_answers_preflights_whatever_the_rule_does(
    sealane: Cluster, address: str, path: str, otherwise: int
) -> None:
    status, told = asked(sealane, address, "OPTIONS", path, GOOD, "PUT")
    assert status == 200
    assert told["access-control-allow-origin"] == GOOD
    assert "PUT" in told["access-control-allow-methods"]
    status, told = asked(sealane, address, "OPTIONS", path, BAD, "PUT")
    assert status == 200
    assert "access-control-allow-origin" not in told
    assert asked(sealane, address, "OPTIONS", path, GOOD)[0] == otherwise  # no preflight: it does not say for what
    assert asked(sealane, address, "GET", path, GOOD)[0] == otherwise


def test_an_answer_says_which_origin_may_read_it(sealane: Cluster, address: str) -> None:
    assert asked(sealane, address, "GET", "/forwarded", GOOD)[1]["access-control-allow-origin"] == GOOD
    assert "access-control-allow-origin" not in asked(sealane, address, "GET", "/forwarded", BAD)[1]
