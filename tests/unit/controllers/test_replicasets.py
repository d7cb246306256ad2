"""ReplicaSets: how many pods, which go first, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.controllers.workloads.pods import PodFacts, pod_facts
from sealane.controllers.workloads.replicasets import deletion_order
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

from .world import World, template, workload

NOW = 1_000_000.0


def pod(
    name: str,
    *,
    node: str = "n1",
    phase: str = "Running",
    ready: float | None = 1000,
    cost: int | None = None,
    restarts: int = 0,
    age: float = 2000,
) -> PodFacts:
    """ready: for how many seconds; None when it is not. age: seconds."""
    raw: Raw = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": timestamp(NOW - age)},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "containerStatuses": [{"restartCount": restarts}]},
    }
    if cost is not None:
        raw["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": str(cost)}
    if ready is not None:
        raw["status"]["conditions"] = [
            {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(NOW - ready)}
        ]
    return pod_facts(Object(raw))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": ""}, {"phase": "Pending", "ready": None}),
        ({"phase": "Pending", "ready": None}, {"ready": None}),
        ({"ready": None}, {"cost": -5}),
        ({"cost": -5}, {"node": "n2"}),
        ({"ready": 10}, {"ready": 1000}),
        ({"restarts": 3}, {"restarts": 1}),
        ({"age": 1010, "ready": 1000}, {"age": 90000, "ready": 1000}),
    ],
)
def test_who_goes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    order = deletion_order([pod("b", **second), pod("a", **first)], NOW)
    assert [each.key.name for each in order] == ["a", "b"]
    order = deletion_order([pod("b", **first), pod("a", **second)], NOW)
    assert [each.key.name for each in order] == ["b", "a"]


def test_where_many_are_one_goes_first() -> None:
    order = deletion_order([pod("a", node="n2"), pod("b"), pod("c")], NOW)
    assert order[-1].key.name == "a"


def test_equal_to_a_power_of_two_the_uid_decides() -> None:
    order = deletion_order([pod("z", ready=1000), pod("a", ready=1050)], NOW)
    assert [each.key.name for each in order] == ["a", "z"]


def test_pods_of_the_template_with_the_owner() -> None:
    world = World()
    replicaset = world.add(workload("ReplicaSet", replicas=2))
    world.settle(run=False)
    first = world.all("Pod")[0]
    assert first.raw == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **first.metadata,
            "generateName": "web-",
            "labels": {"app": "web"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web",
                    "uid": replicaset.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": template("web", "web:1")["spec"],
    }
    assert world.get("ReplicaSet", "web").status == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "observedGeneration": 1,
    }


def test_a_pod_that_ended_is_replaced() -> None:
    world = World()
    world.add(workload("ReplicaSet", replicas=1))
    world.settle()
    name = world.all("Pod")[0].name
    world.change("Pod", name, {"status": {"phase": "Failed"}})
    world.settle()
    assert len(world.all("Pod")) == 2
    assert world.get("ReplicaSet", "web").status["replicas"] == 1


def test_an_orphan_is_adopted_instead_of_a_new_pod() -> None:
    world = World()
    world.add({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine", "labels": {"app": "web"}}, "spec": {}})
    world.add({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "labels": {"app": "x"}}, "spec": {}})
    world.add(workload("ReplicaSet", replicas=1))
    world.settle()
    assert {each.name for each in world.all("Pod")} == {"mine", "other"}
    assert world.get("Pod", "mine").metadata["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert "ownerReferences" not in world.get("Pod", "other").metadata


def test_available_after_min_ready_seconds() -> None:
    world = World()
    world.add(workload("ReplicaSet", replicas=1, minReadySeconds=30))
    world.settle(run=False)
    world.run_pods()
    world.settle()
    assert world.get("ReplicaSet", "web").status.get("availableReplicas") is None
    world.now += 31
    world.settle()
    assert world.get("ReplicaSet", "web").status["availableReplicas"] == 1
