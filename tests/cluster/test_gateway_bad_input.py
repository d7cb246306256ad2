"""Bad Gateways and routes on a running cluster: each says so in the condition that the specification names, what it is
asked is answered as the specification wants, and the good route beside it goes on. The model alone is asked in
tests/unit/routes/test_bad_input.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: default, name: edge}
spec: {gatewayClassName: sealane, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
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
apiVersion: v1
kind: Service
metadata: {namespace: other, name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: default, name: good}
spec:
  parentRefs: [{name: edge, sectionName: http}]
  hostnames: [good.example, "*.good.example"]
  rules: [{backendRefs: [{name: web, port: 80}]}]
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{namespace: default, name: {name}}}
spec:
  parentRefs: [{{name: edge{parent}}}]
  hostnames: [{name}.example]
  rules: [{rule}]
"""
TO = "backendRefs: [{name: web, port: 80}]"
UNKNOWN = "{type: ExtensionRef, extensionRef: {group: example.com, kind: Magic, name: m}}"
ROUTES = {
    "unknown-filter": (f"{{filters: [{UNKNOWN}], {TO}}}", "ResolvedRefs", "InvalidKind", "500"),
    "filter-of-backend": (
        f"{{backendRefs: [{{name: web, port: 80, filters: [{UNKNOWN}]}}]}}",
        "ResolvedRefs",
        "InvalidKind",
        "500",
    ),
    "no-service": ("{backendRefs: [{name: gone, port: 80}]}", "ResolvedRefs", "BackendNotFound", "500"),
    "no-port": ("{backendRefs: [{name: web, port: 81}]}", "ResolvedRefs", "BackendNotFound", "500"),
    "no-grant": ("{backendRefs: [{name: web, namespace: other, port: 80}]}", "ResolvedRefs", "RefNotPermitted", "500"),
    "no-kind": ("{backendRefs: [{group: x.example, kind: Bucket, name: web}]}", "ResolvedRefs", "InvalidKind", "500"),
    "bad-pattern": (
        f'{{matches: [{{path: {{type: RegularExpression, value: "/a("}}}}], {TO}}}',
        "Accepted",
        "UnsupportedValue",
        "404",
    ),
    "back-reference": (
        f"{{matches: [{{path: {{type: RegularExpression, value: '(/a+)+\\1'}}}}], {TO}}}",
        "Accepted",
        "UnsupportedValue",
        "404",
    ),
    "no-listener": (f"{{{TO}}}", "Accepted", "NoMatchingParent", "404"),
}
PARENTS = {"no-listener": ", sectionName: gone"}
LISTENERS = [
    {"name": "http", "port": 80, "protocol": "HTTP"},
    {"name": "one", "port": 81, "protocol": "HTTP", "hostname": "a.example"},
    {"name": "other", "port": 81, "protocol": "HTTPS", "hostname": "a.example"}
    | {"tls": {"certificateRefs": [{"name": "gone"}]}},
    {"name": "secret", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "gone"}]}},
    {"name": "kinds", "port": 82, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "Magic"}]}},
]
"""Beside the good one: two protocols at a port, a certificate that is not there, a kind that is none."""
SAID = {
    "http": {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs", "Programmed": "Programmed"},
    "one": {"Conflicted": "ProtocolConflict"},
    "other": {"Conflicted": "ProtocolConflict"},
    "secret": {"ResolvedRefs": "InvalidCertificateRef", "Programmed": "Invalid"},
    "kinds": {"ResolvedRefs": "InvalidRouteKinds"},
}
pytestmark = pytest.mark.sealane(nodes=1)


@pytest.fixture(scope="module")
def address(sealane: Cluster) -> str:
    sealane.apply(MANIFESTS).check()
    return str(sealane.get("gateway", "edge", "default")["status"]["addresses"][0]["value"])


def asked(sealane: Cluster, address: str, host: str) -> str:
    done = sealane.sealane(
        "run", "--", "curl", "-sSo", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}", f"http://{address}/a"
    )
    return done.out


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {each["type"]: each["reason"] for each in status["conditions"]}


@pytest.mark.parametrize("name", ROUTES)
def test_a_bad_route_says_why_and_the_good_one_goes_on(sealane: Cluster, address: str, name: str) -> None:
    rule, condition, reason, status = ROUTES[name]
    sealane.apply(ROUTE.format(name=name, rule=rule, parent=PARENTS.get(name, ""))).check()

    def answered() -> bool:
        [parent] = sealane.get("httproute", name, "default")["status"]["parents"]
        [said] = [each for each in parent["conditions"] if each["type"] == condition]
        assert (said["status"], said["reason"]) == ("False", reason)
        assert said["message"]
        return asked(sealane, address, f"{name}.example") == status

    eventually(answered)
    assert asked(sealane, address, "good.example") == "200"
    assert asked(sealane, address, "a.good.example") == "200"


def test_bad_listeners_say_why_and_the_good_one_goes_on(sealane: Cluster, address: str) -> None:
    patch = json.dumps({"spec": {"listeners": LISTENERS}})
    sealane.kubectl("patch", "gateway", "edge", "--type=merge", "-p", patch).check()

    def said() -> bool:
        listeners = sealane.get("gateway", "edge", "default")["status"]["listeners"]
        found = {each["name"]: reasons(each) for each in listeners}
        assert set(found) == set(SAID)
        wrong = {name: found[name] for name, wanted in SAID.items() if not wanted.items() <= found[name].items()}
        assert not wrong
        return True

    eventually(said)
    assert asked(sealane, address, "good.example") == "200"
