"""Columns of `kubectl get` for HorizontalPodAutoscalers and PodDisruptionBudgets.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go (formatHPAMetrics).
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, number, shown, text
from sealane.kube.objects import Raw


def scaled_reference(raw: Raw) -> str:
    target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def scaling_targets(raw: Raw) -> str:
    """The targets of a HorizontalPodAutoscaler; nothing here measures them, so the current values are unknown."""
    shown = []
    for metric in (raw.get("spec") or {}).get("metrics") or ():
        source = metric.get(f"{metric.get('type', '')[:1].lower()}{metric.get('type', '')[1:]}") or {}
        target, name = source.get("target") or {}, source.get("name") or ""
        utilization = target.get("averageUtilization")
        amount = target.get("averageValue") or target.get("value") or "<auto>"
        wanted = f"{utilization}%" if utilization is not None else str(amount)
        shown.append(f"{name}: <unknown>/{wanted}" if name else f"<unknown>/{wanted}")
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more or "<none>"


AUTOSCALER = (
    NAME,
    shown("Reference", scaled_reference),
    shown("Targets", scaling_targets),
    number("MinPods", "spec", "minReplicas", absent=1),
    number("MaxPods", "spec", "maxReplicas"),
    number("Replicas", "status", "currentReplicas"),
    AGE,
)
DISRUPTION_BUDGET = (
    NAME,
    text("Min Available", "spec", "minAvailable", absent="N/A"),
    text("Max Unavailable", "spec", "maxUnavailable", absent="N/A"),
    number("Allowed Disruptions", "status", "disruptionsAllowed"),
    AGE,
)
