"""Rollouts, as https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ describes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.controllers.workloads.deployments import DESIRED, REVISION, REVISION_HISTORY, scaled_value

from .world import World, images, template, workload


def sets(world: World) -> dict[str, tuple[int, str]]:
    """Image -> (size, revision) of each ReplicaSet."""
    return {
        each.spec["template"]["spec"]["containers"][0]["image"]: (each.spec["replicas"], each.annotations[REVISION])
        for each in world.all("ReplicaSet")
    }


def condition(world: World, type_: str) -> tuple[str, str]:
    found = {each["type"]: each for each in world.get("Deployment", "web").status["conditions"]}
    return found[type_]["status"], found[type_]["reason"]


def deployed(**spec: Any) -> World:
    world = World()
    world.add(workload("Deployment", **{"replicas": 3, **spec}))
    world.settle()
    world.log.clear()
    return world


def set_image(world: World, image: str) -> None:
    world.change("Deployment", "web", {"spec": {"template": template("web", image)}})


def test_a_new_deployment_makes_one_replicaset_and_its_pods() -> None:
    world = deployed()
    (replicaset,) = world.all("ReplicaSet")
    hash_ = replicaset.labels["pod-template-hash"]
    assert replicaset.name == f"web-{hash_}"
    assert replicaset.spec["selector"] == {"matchLabels": {"app": "web", "pod-template-hash": hash_}}
    assert replicaset.annotations == {
        REVISION: "1",
        DESIRED: "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert all(pod.labels == {"app": "web", "pod-template-hash": hash_} for pod in world.all("Pod"))
    deployment = world.get("Deployment", "web")
    assert deployment.annotations[REVISION] == "1"
    assert {k: v for k, v in deployment.status.items() if k != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_nothing_is_written_when_nothing_changes() -> None:
    world = deployed()
    world.now += 100
    assert not world.step()


def test_a_rollout_and_its_undo() -> None:
    world = deployed()
    set_image(world, "web:2")
    world.settle()
    assert sets(world) == {"web:1": (0, "1"), "web:2": (3, "2")}
    assert set(images(world).values()) == {"web:2"}
    set_image(world, "web:1")  # what `kubectl rollout undo` does: the template of the old ReplicaSet
    world.settle()
    assert sets(world) == {"web:1": (3, "3"), "web:2": (0, "2")}
    assert world.get("Deployment", "web").annotations[REVISION] == "3"
    back = next(each for each in world.all("ReplicaSet") if each.annotations[REVISION] == "3")
    assert back.annotations[REVISION_HISTORY] == "1"


def test_a_rollout_that_cannot_get_ready_stops_half_way_and_says_so() -> None:
    world = deployed(replicas=4, progressDeadlineSeconds=60)
    set_image(world, "web:2")
    world.settle(run=False)
    assert sets(world) == {"web:1": (3, "1"), "web:2": (2, "2")}
    assert condition(world, "Progressing") == ("True", "ReplicaSetUpdated")
    assert condition(world, "Available")[0] == "True"
    world.now += 120
    world.settle(run=False)
    assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
    world.settle(run=True)
    assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")


def test_scaling_in_the_midst_of_a_rollout_is_proportional() -> None:
    """The documentation's example: 10 replicas, maxSurge 3, maxUnavailable 2, scaled to 15 when stuck at 8 and 5."""
    world = deployed(replicas=10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}})
    set_image(world, "web:2")
    world.settle(run=False)
    assert {image: size for image, (size, _) in sets(world).items()} == {"web:1": 8, "web:2": 5}
    world.change("Deployment", "web", {"spec": {"replicas": 15}})
    world.settle(run=False)
    assert {image: size for image, (size, _) in sets(world).items()} == {"web:1": 11, "web:2": 7}


def test_paused_scales_but_does_not_roll() -> None:
    world = deployed()
    world.change("Deployment", "web", {"spec": {"paused": True}})
    set_image(world, "web:2")
    world.settle()
    assert sets(world) == {"web:1": (3, "1")}
    assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")
    world.change("Deployment", "web", {"spec": {"replicas": 5}})
    world.settle()
    assert sets(world) == {"web:1": (5, "1")}
    world.change("Deployment", "web", {"spec": {"paused": None}})
    world.settle()
    assert sets(world) == {"web:1": (0, "1"), "web:2": (5, "2")}


def test_recreate_never_runs_two_versions_at_once() -> None:
    world = deployed(strategy={"type": "Recreate"})
    set_image(world, "web:2")
    for _ in range(20):
        world.run_pods()
        world.step()
        assert len(set(images(world).values())) <= 1
    assert set(images(world).values()) == {"web:2"}
    first_new = next(i for i, line in enumerate(world.log) if line.startswith("+Pod"))
    assert sum(line.startswith("-Pod") for line in world.log[:first_new]) == 3


def test_old_revisions_are_forgotten_beyond_the_limit() -> None:
    world = deployed(revisionHistoryLimit=2)
    for number in range(2, 7):
        set_image(world, f"web:{number}")
        world.settle()
    assert {image: revision for image, (_, revision) in sets(world).items()} == {
        "web:4": "4",
        "web:5": "5",
        "web:6": "6",
    }


def test_an_orphaned_replicaset_is_adopted() -> None:
    world = deployed()
    (replicaset,) = world.all("ReplicaSet")
    world.change("ReplicaSet", replicaset.name, {"metadata": {"ownerReferences": None}})
    world.settle()
    (adopted,) = world.all("ReplicaSet")
    assert adopted.metadata["ownerReferences"][0]["name"] == "web"
    assert adopted.name == replicaset.name


def test_a_pod_that_loses_its_label_is_released_and_replaced() -> None:
    world = deployed()
    pod = world.all("Pod")[0]
    world.change("Pod", pod.name, {"metadata": {"labels": {"app": "other"}}})
    world.settle()
    assert len(world.all("Pod")) == 4
    assert not world.get("Pod", pod.name).metadata.get("ownerReferences")


@settings(max_examples=100, deadline=None)
@given(
    replicas=st.integers(0, 8),
    surge=st.sampled_from([0, 1, 3, "25%", "100%"]),
    unavailable=st.sampled_from([0, 1, 2, "25%", "100%"]),
    rolls=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 8), st.integers(0, 4)), max_size=4),
    pace=st.randoms(use_true_random=False),
)
def test_a_rolling_update_keeps_its_bounds_and_arrives(
    replicas: int, surge: Any, unavailable: Any, rolls: list[tuple[int, int, int]], pace: Any
) -> None:
    """At any pace of pods: at most replicas + maxSurge, and replicas - maxUnavailable available at least."""
    strategy = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    world = deployed(replicas=replicas, strategy=strategy)
    most = scaled_value(surge, replicas, up=True)
    missing = scaled_value(unavailable, replicas, up=False)
    if most == missing == 0:
        missing = 1
    for version, _, steps in rolls:
        set_image(world, f"web:{version}")
        for _ in range(steps):
            world.run_pods(lambda pod: pace.random() < 0.5)
            world.step()
            world.now += 1
            ready = sum(bool(pod.status.get("conditions")) for pod in world.all("Pod"))
            assert len(world.all("Pod")) <= replicas + most
            assert ready >= replicas - missing
    world.settle()
    for _, size, _ in rolls[-1:]:
        world.change("Deployment", "web", {"spec": {"replicas": size}})
        world.settle()
        replicas = size
    wanted = f"web:{rolls[-1][0]}" if rolls else "web:1"
    assert list(images(world).values()) == [wanted] * replicas
    assert sum(each.spec["replicas"] for each in world.all("ReplicaSet")) == replicas


@pytest.mark.parametrize(
    ("value", "total", "up", "expected"),
    [(3, 10, True, 3), ("25%", 10, True, 3), ("25%", 10, False, 2), ("100%", 7, False, 7), (None, 7, True, 0)],
)
def test_numbers_and_percentages(value: Any, total: int, up: bool, expected: int) -> None:
    assert scaled_value(value, total, up=up) == expected


def test_revision_annotations_follow_the_deployment() -> None:
    world = deployed()
    world.change("Deployment", "web", {"metadata": {"annotations": {"kubernetes.io/change-cause": "because"}}})
    world.settle()
    (replicaset,) = world.all("ReplicaSet")
    assert replicaset.annotations["kubernetes.io/change-cause"] == "because"
