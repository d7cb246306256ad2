"""Defaults of API Priority and Fairness.

Source: k8s.io/kubernetes/pkg/apis/flowcontrol/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.objects import Raw

_QUEUES = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def priority_level(raw: Raw) -> Raw:
    def limited(found: Raw) -> Raw:
        found = filled(found, {"nominalConcurrencyShares": 30, "lendablePercent": 0})
        return inside(
            found, "limitResponse", lambda answer: inside(answer, "queuing", lambda queuing: filled(queuing, _QUEUES))
        )

    def spec(found: Raw) -> Raw:
        if found.get("type") == "Exempt":
            found = filled(found, {"exempt": {}})
        exempt = {"nominalConcurrencyShares": 0, "lendablePercent": 0}
        return inside(inside(found, "exempt", lambda each: filled(each, exempt)), "limited", limited)

    return inside(raw, "spec", spec)


def flow_schema(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: filled(spec, {"matchingPrecedence": 1000}))
