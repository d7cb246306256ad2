"""PodDisruptionBudgets: the status for pods, and what an eviction makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.apiserver.pods.eviction import spent
from sealane.controllers.actions import Patch
from sealane.controllers.disruption.disruption import plan
from sealane.controllers.workloads.pods import PodFacts, pod_facts
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object

NOW = 1_000_000.0


def pod(name: str, *, ready: bool = True, deleting: bool = False, controller: str = "rs") -> PodFacts:
    metadata: dict[str, Any] = {"name": name, "namespace": "shop", "uid": name}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if controller:
        metadata["ownerReferences"] = [{"uid": controller, "controller": True}]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return pod_facts(Object({"kind": "Pod", "metadata": metadata, "status": status}))


def budget(status: Any = None, **spec: Any) -> Object:
    metadata = {"name": "b", "namespace": "shop", "generation": 1}
    return Object({"kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec, "status": status or {}})


def status_of(found: Object, pods: list[PodFacts], wanted: int = 4) -> Any:
    actions = plan(found, pods, lambda each: (each.controller, wanted) if each.controller else None, NOW)
    (patch,) = (action for action in actions if isinstance(action, Patch))
    return patch.patch["status"]


@pytest.mark.parametrize(
    ("spec", "desired", "expected", "allowed"),
    [
        ({"minAvailable": 2}, 2, 4, 1),
        ({"minAvailable": "50%"}, 2, 4, 1),
        ({"minAvailable": "60%"}, 3, 4, 0),
        ({"maxUnavailable": 1}, 3, 4, 0),
        ({"maxUnavailable": "30%"}, 2, 4, 1),
        ({"maxUnavailable": 0}, 4, 4, 0),
        ({"maxUnavailable": "100%"}, 0, 4, 3),
    ],
)
def test_how_many_may_go(spec: dict[str, Any], desired: int, expected: int, allowed: int) -> None:
    pods = [pod("a"), pod("b"), pod("c"), pod("d", ready=False)]
    status = status_of(budget(**spec), pods)
    assert (status["desiredHealthy"], status["expectedPods"], status["disruptionsAllowed"]) == (
        desired,
        expected,
        allowed,
    )
    assert status["currentHealthy"] == 3
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )


def test_no_pods_allow_nothing() -> None:
    status = status_of(budget(minAvailable=0), [])
    assert (status["expectedPods"], status["disruptionsAllowed"]) == (0, 0)


def test_a_pod_whose_eviction_was_allowed_is_not_healthy_any_more_until_that_is_long_ago() -> None:
    pods = [pod("a"), pod("b")]
    evicted = {"disruptedPods": {"a": "1970-01-12T13:46:00Z"}}
    assert status_of(budget(evicted, minAvailable=0), pods)["currentHealthy"] == 1
    old = {"disruptedPods": {"a": "1970-01-12T13:40:00Z", "gone": "1970-01-12T13:46:00Z"}}
    status = status_of(budget(old, minAvailable=0), pods)
    assert status["currentHealthy"] == 2
    assert status["disruptedPods"] == {"a": None, "gone": None}


def test_an_eviction_spends_one_disruption() -> None:
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, "desiredHealthy": 2, "currentHealthy": 3}
    after = spent(budget(status).raw, "a", "2026-01-01T00:00:00Z")["status"]
    assert (after["disruptionsAllowed"], after["disruptedPods"]) == (0, {"a": "2026-01-01T00:00:00Z"})
    assert after["conditions"][0]["reason"] == "InsufficientPods"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (
            {"observedGeneration": 1, "disruptionsAllowed": 0, "desiredHealthy": 2, "currentHealthy": 2},
            "The disruption budget b needs 2 healthy pods and has 2 currently",
        ),
        ({"disruptionsAllowed": 1}, "The disruption budget b is still being processed by the server."),
    ],
)
def test_an_eviction_that_is_refused(status: Any, cause: str) -> None:
    with pytest.raises(ApiError) as refused:
        spent(budget(status).raw, "a", "")
    assert (refused.value.code, refused.value.reason) == (429, "TooManyRequests")
    assert refused.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert refused.value.details["causes"] == [{"reason": "DisruptionBudget", "message": cause}]
