"""PodDisruptionBudgets: how many pods may go by eviction now.

Sources: https://kubernetes.io/docs/tasks/run-application/configure-pdb/ and
k8s.io/kubernetes/pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sealane.controllers.actions import Action, Again, observed, write_status
from sealane.controllers.workloads.deployments import scaled_value
from sealane.controllers.workloads.pods import PodFacts
from sealane.kube.kinds import PODDISRUPTIONBUDGET
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds, timestamp

EVICTION_SECONDS = 120.0
"""How long an eviction that was allowed is waited for."""

Scale = Callable[[PodFacts], tuple[str, int] | None]
"""The workload that a pod belongs to (uid) and how many pods that wants; None for a pod of none."""


def plan(budget: Object, pods: Sequence[PodFacts], scale: Scale, now: float) -> list[Action]:
    """The status. pods: those that its selector matches."""
    living = [pod for pod in pods if not pod.over]
    evicted = _evicted(budget, living, now)
    expected, desired = _expected(budget.spec, living, scale)
    healthy = sum(pod.ready and not pod.deleting and pod.key.name not in evicted for pod in living)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status: Raw = {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": observed(budget),
        "conditions": [condition(budget, allowed, now)],
    }
    if gone := set(budget.status.get("disruptedPods") or ()) - set(evicted):
        status["disruptedPods"] = dict.fromkeys(gone)  # a merge patch: these are removed
    actions = write_status(PODDISRUPTIONBUDGET, budget, status)
    waits = [at + EVICTION_SECONDS - now for at in evicted.values()]
    return [*actions, *([Again(max(0.1, min(waits)))] if waits else [])]


def condition(budget: Object, allowed: int, now: float) -> Raw:
    """DisruptionAllowed, which keeps the time of its last change."""
    value, reason = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
    for each in budget.status.get("conditions") or ():
        if each["type"] == "DisruptionAllowed" and each["status"] == value:
            return {**each, "reason": reason, "observedGeneration": observed(budget)}
    return {
        "type": "DisruptionAllowed",
        "status": value,
        "reason": reason,
        "message": "",
        "lastTransitionTime": timestamp(now),
        "observedGeneration": observed(budget),
    }


def _evicted(budget: Object, pods: Sequence[PodFacts], now: float) -> dict[str, float]:
    """Pods whose eviction was allowed and that do not go yet, with the time of it."""
    staying = {pod.key.name for pod in pods if not pod.deleting}
    found = {name: seconds(at) for name, at in (budget.status.get("disruptedPods") or {}).items()}
    return {name: at for name, at in found.items() if name in staying and now - at < EVICTION_SECONDS}


def _expected(spec: Any, pods: Sequence[PodFacts], scale: Scale) -> tuple[int, int]:
    """The number of pods that should exist, and the number that have to be healthy."""
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if most is None and isinstance(least, int):
        return len(pods), least
    expected = sum(dict(found for pod in pods if (found := scale(pod)) is not None).values())
    if most is not None:
        return expected, max(0, expected - scaled_value(most, expected, up=True))
    if least is not None:
        return expected, scaled_value(least, expected, up=True)
    return len(pods), 0
