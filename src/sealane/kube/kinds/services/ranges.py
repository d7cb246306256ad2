"""ServiceCIDR: its finalizer, and the condition that says whether it gives out addresses (KEP-1880)."""

from __future__ import annotations

from sealane.kube.objects import Raw

FINALIZER = "networking.k8s.io/service-cidr-finalizer"


def ready(_cidr: Raw, now: str) -> Raw:
    """The status that a ServiceCIDR begins with."""
    return {"conditions": [condition(True, "", "Kubernetes Service CIDR is ready", now)]}


def condition(ready: bool, reason: str, message: str, now: str) -> Raw:
    return {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }
