"""Defaults of NetworkPolicies and IngressClasses.

Source: k8s.io/kubernetes/pkg/apis/networking/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, filled, inside
from sealane.kube.objects import Raw


def network_policy(raw: Raw) -> Raw:
    def spec(found: Raw) -> Raw:
        for direction in ("ingress", "egress"):
            found = each(found, direction, _rule)
        types = ["Ingress", "Egress"] if found.get("egress") else ["Ingress"]
        found = filled(found, {"podSelector": {}})
        return found if found.get("policyTypes") else {**found, "policyTypes": types}

    return inside(raw, "spec", spec)


def _rule(rule: Raw) -> Raw:
    return each(rule, "ports", lambda port: filled(port, {"protocol": "TCP"}))


def ingress_class(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(spec, "parameters", lambda p: filled(p, {"scope": "Cluster"})))
