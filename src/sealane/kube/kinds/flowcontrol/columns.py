"""Columns of `kubectl get` for priority levels and flow schemas.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, condition, number, shown, text

_LIMITED = ("spec", "limited")
_QUEUING = (*_LIMITED, "limitResponse", "queuing")

PRIORITY_LEVEL = (
    NAME,
    text("Type", "spec", "type"),
    text("NominalConcurrencyShares", *_LIMITED, "nominalConcurrencyShares"),
    text("Queues", *_QUEUING, "queues"),
    text("HandSize", *_QUEUING, "handSize"),
    text("QueueLengthLimit", *_QUEUING, "queueLengthLimit"),
    AGE,
)
FLOW_SCHEMA = (
    NAME,
    text("PriorityLevel", "spec", "priorityLevelConfiguration", "name"),
    number("MatchingPrecedence", "spec", "matchingPrecedence"),
    text("DistinguisherMethod", "spec", "distinguisherMethod", "type"),
    AGE,
    shown("MissingPL", lambda raw: condition(raw, "Dangling") or "?"),
)
