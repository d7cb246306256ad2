"""Event, of core/v1 and of events.k8s.io/v1, which asks for more. Fields are called as in core/v1, as upstream does.

Source: k8s.io/kubernetes/pkg/apis/core/validation/events.go (legacyValidateEvent, ValidateEventCreate,
ValidateEventUpdate)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sealane.kube import names
from sealane.kube.checks.common import check_text
from sealane.kube.kinds.events.versions import as_core
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_WORD_LIMIT = 128
_NOTE_LIMIT = 1024
_DEPRECATED = ("firstTimestamp", "lastTimestamp", "count", "source")
_UNCHANGING = (
    *("involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type"),
    *("eventTime", "action", "related", "reportingController", "reportingInstance"),
)
_SERIES_AT_LEAST = 2


def check_event(obj: Part) -> Iterator[Problem]:
    """Of core/v1."""
    yield from _check_any(obj, obj["reportingComponent"])


def check_new_event(obj: Part) -> Iterator[Problem]:
    """One that is made through events.k8s.io/v1."""
    event = _core(obj)
    yield from _check_any(event, obj["reportingController"])
    yield from _check_series(event["series"])
    if event["eventTime"].empty:
        yield event["eventTime"].required()
    if event.text("type") not in ("Normal", "Warning"):
        yield event["type"].invalid(f"has invalid value: {event.text('type')}", "")
    for field in _DEPRECATED:
        if _meant(event[field].value):
            yield event[field].invalid("needs to be unset", "")


def check_event_change(obj: Part, old: Raw) -> Iterator[Problem]:
    """The errors of a write through events.k8s.io/v1 over `old`: only its series may change."""
    event, before = _core(obj), as_core(old)
    yield from _check_any(event, obj["reportingController"])
    if event["series"].value != before.get("series"):
        yield from _check_series(event["series"])
    for field in _UNCHANGING:
        name = "reportingComponent" if field == "reportingController" else field
        if _instant(event[name].value) != _instant(before.get(name)):
            yield Part(event[name].value, (field,)).invalid("field is immutable", event[name].value or "")


def _core(obj: Part) -> Part:
    return Part(as_core(obj.value)) if isinstance(obj.value, dict) else obj


def _check_any(event: Part, controller: Part) -> Iterator[Problem]:
    about = event["involvedObject"]["namespace"]
    namespace, involved = event["metadata"].text("namespace"), event["involvedObject"].text("namespace")
    if event["eventTime"].empty:
        fits = involved == namespace if involved else namespace in ("", "default")
    else:
        fits = bool(involved) or namespace in ("", "default", "kube-system")
    if namespace and not fits:  # a manifest may leave its namespace to kubectl
        yield about.invalid("does not match event.namespace", involved)
    if event["eventTime"].empty:
        return
    if controller.empty:
        yield controller.required()
    yield from check_text(controller, names.qualified_name)
    for field in ("reportingInstance", "action", "reason"):
        if event[field].empty:
            yield event[field].required()
        yield from _check_length(event, field, _WORD_LIMIT)
    yield from _check_length(event, "message", _NOTE_LIMIT)


def _check_length(event: Part, field: str, limit: int) -> Iterator[Problem]:
    if len(event.text(field).encode()) > limit:
        yield event[field].invalid(f"can have at most {limit} characters", "")


def _check_series(series: Part) -> Iterator[Problem]:
    if not series.present:
        return
    if (series.number("count") or 0) < _SERIES_AT_LEAST:
        yield series["count"].invalid("should be at least 2", "")
    if series["lastObservedTime"].empty:
        yield series["lastObservedTime"].required()


def _meant(value: Any) -> bool:
    """Whether a value is more than Go's zero of its type."""
    return any(map(_meant, value.values())) if isinstance(value, dict) else bool(value)


def _instant(value: Any) -> Any:
    """A value for comparison: points in time to the microsecond, None for all that says nothing."""
    if not _meant(value):
        return None
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value
