"""The order in which a StatefulSet's pods come, go and are replaced."""

from __future__ import annotations

from typing import Any

from sealane.controllers.workloads.revisions import revision_template

from .world import World, images, template, workload


def started(**spec: Any) -> World:
    world = World()
    world.add(workload("StatefulSet", "db", image="db:1", **{"replicas": 3, "serviceName": "db", **spec}))
    return world


def set_image(world: World, image: str) -> None:
    world.change("StatefulSet", "db", {"spec": {"template": template("db", image)}})


def pod_log(world: World) -> list[str]:
    found = [line for line in world.log if "Pod " in line]
    world.log.clear()
    return found


def test_pods_come_one_after_the_other_when_the_one_before_is_ready() -> None:
    world = started()
    world.settle(run=False)
    assert pod_log(world) == ["+Pod db-0"]
    world.run_pods()
    world.settle(run=False)
    assert pod_log(world) == ["+Pod db-1"]
    world.settle()
    assert pod_log(world) == ["+Pod db-2"]


def test_each_pod_has_its_name_its_index_and_its_place() -> None:
    world = started(volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    world.settle()
    pod = world.get("Pod", "db-1")
    revision = world.get("StatefulSet", "db").status["currentRevision"]
    assert pod.labels == {
        "app": "db",
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": "db-1",
        "apps.kubernetes.io/pod-index": "1",
    }
    assert (pod.spec["hostname"], pod.spec["subdomain"]) == ("db-1", "db")
    assert pod.spec["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}]


def test_parallel_does_not_wait() -> None:
    world = started(podManagementPolicy="Parallel")
    world.settle(run=False)
    assert pod_log(world) == ["+Pod db-0", "+Pod db-1", "+Pod db-2"]


def test_scaling_down_takes_the_highest_first_one_at_a_time() -> None:
    world = started()
    world.settle()
    pod_log(world)
    world.change("StatefulSet", "db", {"spec": {"replicas": 1}})
    world.step()
    assert pod_log(world) == ["-Pod db-2"]
    world.settle()
    assert pod_log(world) == ["-Pod db-1"]


def test_an_update_replaces_from_the_highest_and_waits_for_each() -> None:
    world = started()
    world.settle()
    before = world.get("StatefulSet", "db").status
    pod_log(world)
    set_image(world, "db:2")
    world.settle(run=False)
    assert pod_log(world) == ["-Pod db-2", "+Pod db-2"]
    status = world.get("StatefulSet", "db").status
    assert (status["currentRevision"], status["currentReplicas"]) == (before["currentRevision"], 2)
    assert (status["updateRevision"] != before["updateRevision"], status["updatedReplicas"]) == (True, 1)
    world.settle()
    assert pod_log(world) == ["-Pod db-1", "+Pod db-1", "-Pod db-0", "+Pod db-0"]
    assert set(images(world).values()) == {"db:2"}
    after = world.get("StatefulSet", "db").status
    assert after["currentRevision"] == after["updateRevision"] == status["updateRevision"]
    assert not world.step()


def test_a_pod_below_the_partition_keeps_its_revision_even_when_made_anew() -> None:
    world = started()
    world.settle()
    world.change("StatefulSet", "db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}})
    set_image(world, "db:2")
    world.settle()
    assert images(world) == {"db-0": "db:1", "db-1": "db:1", "db-2": "db:2"}
    del world.objects["Pod", "db-0"]
    world.settle()
    assert images(world)["db-0"] == "db:1"


def test_on_delete_replaces_only_what_somebody_deletes() -> None:
    world = started(updateStrategy={"type": "OnDelete"})
    world.settle()
    set_image(world, "db:2")
    world.settle()
    assert set(images(world).values()) == {"db:1"}
    del world.objects["Pod", "db-1"]
    world.settle()
    assert images(world) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:1"}


def test_revisions_and_undo() -> None:
    world = started()
    world.settle()
    set_image(world, "db:2")
    world.settle()
    revisions = sorted(world.all("ControllerRevision"), key=lambda each: each.raw["revision"])
    assert [each.raw["revision"] for each in revisions] == [1, 2]
    assert revision_template(revisions[0]) == template("db", "db:1")
    set_image(world, "db:1")
    world.settle()
    assert set(images(world).values()) == {"db:1"}
    numbers = {each.name: each.raw["revision"] for each in world.all("ControllerRevision")}
    assert numbers[revisions[0].name] == 3


def test_ordinals_may_start_elsewhere() -> None:
    world = started(ordinals={"start": 5}, replicas=2)
    world.settle()
    assert pod_log(world) == ["+Pod db-5", "+Pod db-6"]


def test_a_failed_pod_comes_back_under_its_name() -> None:
    world = started()
    world.settle()
    world.change("Pod", "db-1", {"status": {"phase": "Failed"}})
    pod_log(world)
    world.settle()
    assert pod_log(world) == ["-Pod db-1", "+Pod db-1"]
