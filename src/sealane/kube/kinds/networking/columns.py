"""Columns of `kubectl get` for Ingresses, their classes and NetworkPolicies.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, NONE, more, selector, shown, spec_of, status_of, text
from sealane.kube.objects import Raw


def _ingress_hosts(raw: Raw) -> str:
    return more([each["host"] for each in spec_of(raw).get("rules") or () if each.get("host")]).replace(NONE, "*")


def _ingress_address(raw: Raw) -> str:
    entries = (status_of(raw).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(filter(None, (each.get("ip") or each.get("hostname") for each in entries)))


def _parameters(raw: Raw) -> str:
    found = spec_of(raw).get("parameters")
    if not found:
        return NONE
    group = found.get("apiGroup")
    return f"{found.get('kind')}{f'.{group}' if group else ''}/{found.get('name')}"


NETWORK_POLICY = (NAME, shown("Pod-Selector", lambda raw: selector(spec_of(raw).get("podSelector"))), AGE)
INGRESS = (
    NAME,
    text("Class", "spec", "ingressClassName"),
    shown("Hosts", _ingress_hosts),
    shown("Address", _ingress_address),
    shown("Ports", lambda raw: "80, 443" if spec_of(raw).get("tls") else "80"),
    AGE,
)
INGRESS_CLASS = (NAME, text("Controller", "spec", "controller"), shown("Parameters", _parameters), AGE)
