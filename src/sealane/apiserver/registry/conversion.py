"""Objects in another version of their kind.

Versions of custom kinds, and of most built-in ones, differ in nothing but apiVersion (conversion strategy None).
HorizontalPodAutoscaler's do: v1 knows one metric, and keeps what it has no fields for in annotations. An Event is also
served in another group, with other names for its fields.
Sources: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/ and
k8s.io/kubernetes/pkg/apis/autoscaling/v1 (conversion.go, annotations.go)
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from sealane.kube.kinds.events.versions import as_core, as_new
from sealane.kube.objects import Raw

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"


def in_version(raw: Raw, api_version: str) -> Raw:
    """`raw` itself when it is in that version."""
    was = raw.get("apiVersion")
    if was == api_version:
        return raw
    special = _SPECIAL.get((str(was), api_version))
    return {**(special(raw) if special is not None else raw), "apiVersion": api_version}


def _is_cpu(metric: Raw) -> bool:
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    return metric.get("type") == "Resource" and resource.get("name") == "cpu" and target.get("type") == "Utilization"


def _older(raw: Raw) -> Raw:
    """An autoscaling/v2 HorizontalPodAutoscaler as v1."""
    spec, status = dict(raw.get("spec") or {}), dict(raw.get("status") or {})
    notes: dict[str, object] = {_BEHAVIOR: spec.pop("behavior", None), _CONDITIONS: status.pop("conditions", None)}
    metrics = spec.pop("metrics", None) or []
    cpu = next((metric for metric in metrics if _is_cpu(metric)), None)
    notes[_METRICS] = [metric for metric in metrics if metric is not cpu]
    if cpu is not None:
        spec["targetCPUUtilizationPercentage"] = cpu["resource"]["target"].get("averageUtilization")
    current = status.pop("currentMetrics", None) or []
    for metric in current:
        resource = metric.get("resource") or {}
        average = (resource.get("current") or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and average is not None:
            status["currentCPUUtilizationPercentage"] = average
    notes[_CURRENT] = current
    annotations = {
        **(raw["metadata"].get("annotations") or {}),
        **{name: msgspec.json.encode(value).decode() for name, value in notes.items() if value},
    }
    metadata = {**raw["metadata"], **({"annotations": annotations} if annotations else {})}
    return _with(raw, metadata, spec, status)


def _newer(raw: Raw) -> Raw:
    """An autoscaling/v1 HorizontalPodAutoscaler as v2. Annotations that cannot be read stay what they are."""
    spec, status = dict(raw.get("spec") or {}), dict(raw.get("status") or {})
    annotations = dict(raw["metadata"].get("annotations") or {})
    metrics = _taken(annotations, _METRICS) or []
    percentage = spec.pop("targetCPUUtilizationPercentage", None)
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    for part, field, name in (
        (spec, "behavior", _BEHAVIOR),
        (status, "conditions", _CONDITIONS),
        (status, "currentMetrics", _CURRENT),
    ):
        found = _taken(annotations, name)
        if found:
            part[field] = found
    status.pop("currentCPUUtilizationPercentage", None)
    if metrics:
        spec["metrics"] = metrics
    metadata = {key: value for key, value in raw["metadata"].items() if key != "annotations"}
    return _with(raw, {**metadata, **({"annotations": annotations} if annotations else {})}, spec, status)


def _taken(annotations: dict[str, str], name: str) -> list[Raw] | None:
    text = annotations.get(name)
    if text is None:
        return None
    try:
        found: list[Raw] = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    del annotations[name]
    return found


def _with(raw: Raw, metadata: Raw, spec: Raw, status: Raw) -> Raw:
    parts = {"spec": spec, "status": status}
    return {**raw, "metadata": metadata, **{name: part for name, part in parts.items() if name in raw or part}}


_SPECIAL: dict[tuple[str, str], Callable[[Raw], Raw]] = {
    ("autoscaling/v2", "autoscaling/v1"): _older,
    ("autoscaling/v1", "autoscaling/v2"): _newer,
    ("v1", "events.k8s.io/v1"): as_new,
    ("events.k8s.io/v1", "v1"): as_core,
}
