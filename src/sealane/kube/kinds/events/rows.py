"""The definitions of Event, in both groups."""

from __future__ import annotations

from sealane.kube.kinds import EVENT, NEW_EVENT
from sealane.kube.kinds.definition import Definition, Field, fields
from sealane.kube.kinds.events import checks, columns

_ABOUT = tuple(
    f"involvedObject.{field}"
    for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)

ROWS = (
    Definition(
        kind=EVENT,
        checks=checks.check_event,
        made_by_update=True,
        columns=columns.EVENT,
        selectable={
            **fields(*_ABOUT, "reason", "reportingComponent", "type"),
            "source": Field((("source", "component"), ("reportingComponent",))),
        },
    ),
    Definition(
        kind=NEW_EVENT,
        checks=checks.check_new_event,
        required_once=frozenset({("eventTime",)}),
        rechecks=checks.check_event_change,
        made_by_update=True,
        columns=columns.NEW_EVENT,
        selectable={
            **{f"regarding.{name.partition('.')[2]}": Field((tuple(name.split(".")),)) for name in _ABOUT},
            **fields("reason", "type"),
            "reportingController": Field((("reportingComponent",),)),
        },
    ),
)
