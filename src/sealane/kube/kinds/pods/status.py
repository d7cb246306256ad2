"""The status that a pod begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealane.kube.objects import Raw


def pending(pod: Raw, _now: str) -> Raw:
    return {"phase": "Pending", "qosClass": qos_class(pod.get("spec") or {})}


def qos_class(spec: Mapping[str, Any]) -> str:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked = [container.get("resources") or {} for container in containers if isinstance(container, Mapping)]
    if not any(each.get("requests") or each.get("limits") for each in asked):
        return "BestEffort"
    for each in asked:
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        if any(not limits.get(name) or requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
