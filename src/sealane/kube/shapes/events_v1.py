"""Types of events/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class Event(TypedDict, total=False):
    action: str
    apiVersion: str
    deprecatedCount: int
    deprecatedFirstTimestamp: str
    deprecatedLastTimestamp: str
    deprecatedSource: core_v1.EventSource
    eventTime: Required[str]
    kind: str
    metadata: meta_v1.ObjectMeta
    note: str
    reason: str
    regarding: core_v1.ObjectReference
    related: core_v1.ObjectReference
    reportingController: str
    reportingInstance: str
    series: EventSeries
    type: str


class EventSeries(TypedDict, total=False):
    count: Required[int]
    lastObservedTime: Required[str]
