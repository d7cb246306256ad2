"""Columns of `kubectl get events`.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sealane.kube.kinds.ages import since
from sealane.kube.kinds.column import NAME, Cell, Column, shown, text
from sealane.kube.kinds.events.versions import as_core
from sealane.kube.objects import Raw


def _event_seen(key: str) -> Callable[[Raw, float], Cell]:
    def cell(raw: Raw, now: float) -> Cell:
        series = (raw.get("series") or {}).get("lastObservedTime") if key == "lastTimestamp" else None
        return since(series or raw.get(key) or raw.get("eventTime"), now)

    return cell


def _event_object(raw: Raw) -> str:
    involved = raw.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(raw: Raw) -> str:
    source = raw.get("source") or {}
    parts = [source.get("component") or raw.get("reportingComponent"), source.get("host")]
    return ", ".join(filter(None, parts))


EVENT = (
    Column("Last Seen", _event_seen("lastTimestamp")),
    text("Type", "type", absent=""),
    text("Reason", "reason", absent=""),
    shown("Object", _event_object),
    text("Subobject", "involvedObject", "fieldPath", wide=True, absent=""),
    shown("Source", _event_source, wide=True),
    shown("Message", lambda raw: str(raw.get("message") or "").strip()),
    Column("First Seen", _event_seen("firstTimestamp"), wide=True),
    Column("Count", lambda raw, _now: str(raw.get("count") or 1), wide=True),
    Column("Name", NAME.cell, wide=True, format="name"),
)


def _of_core(column: Column) -> Column:
    return replace(column, cell=lambda raw, now: column.cell(as_core(raw), now))


NEW_EVENT = tuple(map(_of_core, EVENT))
