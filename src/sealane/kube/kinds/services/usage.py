"""How much Services use of quotas.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-on-object-count
"""

from __future__ import annotations

from sealane.kube.objects import Raw

_ONE = 1000


def usage(service: Raw) -> dict[str, int]:
    spec, found = service.get("spec") or {}, {"services": _ONE}
    if spec.get("type") == "LoadBalancer":
        found["services.loadbalancers"] = _ONE
    ports = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
    if spec.get("type") in ("NodePort", "LoadBalancer") and ports:
        found["services.nodeports"] = ports * _ONE
    return found
