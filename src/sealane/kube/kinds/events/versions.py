"""Events: the same object in core/v1 and in events.k8s.io/v1, which names its fields anew.

Sources: KEP-383 and k8s.io/kubernetes/pkg/apis/events/v1 (conversion.go)
"""

from __future__ import annotations

from collections.abc import Mapping

from sealane.kube.objects import Raw

CORE_NAMES: Mapping[str, str] = {
    "reportingController": "reportingComponent",
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""Field of events.k8s.io/v1 → the same in core/v1. All others have one name."""
_NEW_NAMES = {core: new for new, core in CORE_NAMES.items()}


def as_core(event: Raw) -> Raw:
    """An events.k8s.io/v1 Event with the field names of core/v1. Fields that core/v1 must have are there."""
    return {"involvedObject": {}, **{CORE_NAMES.get(field, field): value for field, value in event.items()}}


def as_new(event: Raw) -> Raw:
    """A core/v1 Event with the field names of events.k8s.io/v1."""
    return {_NEW_NAMES.get(field, field): value for field, value in event.items()}
