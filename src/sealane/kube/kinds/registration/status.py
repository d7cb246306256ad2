"""The status that an APIService begins with."""

from __future__ import annotations

from sealane.kube.objects import Raw


def availability(service: Raw, now: str) -> Raw:
    """Local ones are always there. No other server is asked here."""
    local = not (service.get("spec") or {}).get("service")
    condition = {
        "type": "Available",
        "status": "True" if local else "False",
        "reason": "Local" if local else "NotAggregated",
        "message": "Local APIServices are always available" if local else "no other API server is asked here",
        "lastTransitionTime": now,
    }
    return {"conditions": [condition]}
