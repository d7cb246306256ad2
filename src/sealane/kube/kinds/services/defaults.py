"""Defaults of Services and endpoints.

Source: SetDefaults_Service of k8s.io/kubernetes/pkg/apis/core/v1/defaults.go and pkg/apis/discovery/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, filled, inside
from sealane.kube.objects import Raw


def service(raw: Raw) -> Raw:
    return inside(raw, "spec", _service_spec)


def _service_spec(spec: Raw) -> Raw:
    spec = filled(spec, {"type": "ClusterIP", "sessionAffinity": "None"})
    kind = spec["type"]
    if spec["sessionAffinity"] == "ClientIP":
        config = filled(spec.get("sessionAffinityConfig") or {}, {"clientIP": {}})
        spec = {
            **spec,
            "sessionAffinityConfig": inside(config, "clientIP", lambda c: filled(c, {"timeoutSeconds": 10800})),
        }
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec = filled(spec, {"internalTrafficPolicy": "Cluster"})
    if kind in ("NodePort", "LoadBalancer") or spec.get("externalIPs"):
        spec = filled(spec, {"externalTrafficPolicy": "Cluster"})
    if kind == "LoadBalancer":
        spec = filled(spec, {"allocateLoadBalancerNodePorts": True})
    return each(spec, "ports", _service_port)


def _service_port(port: Raw) -> Raw:
    port = filled(port, {"protocol": "TCP"})
    if not port.get("targetPort") and "port" in port:
        port = {**port, "targetPort": port["port"]}
    return port


def endpoints(raw: Raw) -> Raw:
    return each(raw, "subsets", lambda subset: each(subset, "ports", lambda port: filled(port, {"protocol": "TCP"})))


def endpoint_slice(raw: Raw) -> Raw:
    return each(raw, "ports", lambda port: filled(port, {"name": "", "protocol": "TCP"}))
