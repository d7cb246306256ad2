"""An HTTPRoute and a GRPCRoute that want the same hostname of a listener (GRPCRouteSpec.hostnames)."""

from __future__ import annotations

from typing import Any

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
metadata: {namespace: default, name: a-pages}
spec:
  parentRefs: [{name: edge}]
  hostnames: [shop.example]
  rules: [{backendRefs: [{name: web, port: 80}]}]
"""
CALLS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {namespace: default, name: b-calls}
spec:
  parentRefs: [{name: edge}]
  hostnames: ["*.example"]
  rules: [{matches: [{method: {service: shop.Cart}}], backendRefs: [{name: web, port: 80}]}]
"""
pytestmark = pytest.mark.sealane(nodes=1)


def accepted(sealane: Cluster, kind: str, name: str) -> dict[str, Any]:
    route = sealane.get(kind, name, "default")
    conditions = route["status"]["parents"][0]["conditions"]
    return next(dict(each) for each in conditions if each["type"] == "Accepted")


def test_the_younger_of_two_kinds_waits_for_the_older_to_go(sealane: Cluster) -> None:
    sealane.apply(MANIFESTS).check()
    sealane.apply(CALLS).check()

    def refused() -> bool:
        said = accepted(sealane, "grpcroute", "b-calls")
        assert (said["status"], said["reason"]) == ("False", "HostnameConflict"), said
        assert "HTTPRoute default/a-pages is older" in said["message"]
        gateway = sealane.get("gateway", "edge", "default")
        assert gateway["status"]["listeners"][0]["attachedRoutes"] == 1
        address = gateway["status"]["addresses"][0]["value"]
        asked = sealane.sealane(
            "run",
            "--",
            "curl",
            "-sSo",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            "Host: shop.example",
            f"http://{address}",
        )
        return asked.out == "200"

    eventually(refused)
    sealane.kubectl("delete", "httproute", "a-pages").check()

    def taken() -> bool:
        return accepted(sealane, "grpcroute", "b-calls")["status"] == "True"

    eventually(taken)
