"""Defaults of HorizontalPodAutoscalers.

Source: k8s.io/kubernetes/pkg/apis/autoscaling/v2/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.objects import Raw


def autoscaler(raw: Raw) -> Raw:
    """SetDefaults_HorizontalPodAutoscaler: without a metric it goes by 80 % of the processors that pods ask for."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}

    def spec(found: Raw) -> Raw:
        found = filled(found, {"minReplicas": 1})
        if raw.get("apiVersion") == "autoscaling/v2" and not found.get("metrics"):
            found = {**found, "metrics": [{"type": "Resource", "resource": cpu}]}
        return found

    return inside(raw, "spec", spec)
