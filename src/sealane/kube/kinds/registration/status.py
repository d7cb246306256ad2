"""The status that an APIService begins with."""

from __future__ import annotations

from sealane.kube.objects import Raw

METRICS = "metrics.k8s.io"
"""A group that the API server answers itself, whoever an APIService names: `kubectl top` goes on beside a stand-in."""


def availability(service: Raw, now: str) -> Raw:
    """Local ones are always there, and so is what is answered here. No other server is asked."""
    spec: Raw = service.get("spec") or {}
    if not spec.get("service"):
        available, reason, message = True, "Local", "Local APIServices are always available"
    elif spec.get("group") == METRICS:
        available, reason, message = True, "Local", "this API server answers in place of the service"
    else:
        available, reason, message = False, "NotAggregated", "no other API server is asked here"
    condition = {
        "type": "Available",
        "status": "True" if available else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }
    return {"conditions": [condition]}
