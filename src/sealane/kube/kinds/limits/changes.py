"""What may change of a PriorityClass.

Source: ValidatePriorityClassUpdate of k8s.io/kubernetes/pkg/apis/scheduling/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.checks.changes import immutable
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_POLICY = "PreemptLowerPriority"


def check_priority_class_change(priority_class: Part, old: Raw) -> Iterator[Problem]:
    value, policy = priority_class["value"], priority_class["preemptionPolicy"]
    if (value.value or 0) != old.get("value", 0):
        yield value.forbidden("may not be changed in an update.")
    if (policy.value or _POLICY) != old.get("preemptionPolicy", _POLICY):
        yield immutable(policy)
