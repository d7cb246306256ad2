"""PersistentVolumeClaims find volumes, and StatefulSets make claims."""

from __future__ import annotations

from typing import Any

from tests.unit.controllers.world import World, workload

from sealane.controllers.volumes.claims import plan_claim, plan_volume
from sealane.kube.objects import Object


class Play(World):
    """Claims and volumes, planned until nothing changes."""

    def bind(self) -> None:
        for _ in range(8):
            before = dict(self.objects)
            for claim in self.all("PersistentVolumeClaim"):
                self.carry_out(plan_claim(claim, self.all("PersistentVolume")))
            for volume in self.all("PersistentVolume"):
                self.carry_out(plan_volume(volume, self.all("PersistentVolumeClaim")))
            if before == self.objects:
                return
        raise AssertionError("does not settle")

    def claim(self, name: str, storage: str = "1Gi", **spec: Any) -> None:
        whole = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}, **spec}
        self.add({"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": whole})

    def volume(self, name: str, storage: str = "1Gi", **spec: Any) -> None:
        whole = {"accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": storage}, **spec}
        self.add({"kind": "PersistentVolume", "metadata": {"name": name, "namespace": ""}, "spec": whole})

    def bound(self, name: str) -> str:
        found: Object = self.get("PersistentVolumeClaim", name)
        return str(found.spec["volumeName"]) if found.status.get("phase") == "Bound" else ""


def test_a_volume_is_made_for_a_claim_and_goes_with_it() -> None:
    play = Play()
    play.claim("data", "2Gi")
    play.bind()
    uid = play.get("PersistentVolumeClaim", "data").uid
    assert play.bound("data") == f"pvc-{uid}"
    claim, volume = play.get("PersistentVolumeClaim", "data"), play.get("PersistentVolume", f"pvc-{uid}")
    assert (claim.status["capacity"], claim.status["accessModes"]) == ({"storage": "2Gi"}, ["ReadWriteOnce"])
    assert volume.status["phase"] == "Bound"
    del play.objects["PersistentVolumeClaim", "data"]
    play.bind()
    assert not play.all("PersistentVolume")


def test_the_smallest_volume_that_fits_is_taken_and_kept() -> None:
    play = Play()
    play.volume("small", "1Gi", storageClassName="manual")
    play.volume("large", "10Gi", storageClassName="manual")
    play.volume("medium", "5Gi", storageClassName="manual")
    play.claim("data", "2Gi", storageClassName="manual")
    play.bind()
    assert play.bound("data") == "medium"
    assert play.get("PersistentVolume", "small").status["phase"] == "Available"
    del play.objects["PersistentVolumeClaim", "data"]
    play.bind()
    assert play.get("PersistentVolume", "medium").status["phase"] == "Released"


def test_a_volume_that_is_named_or_reserved() -> None:
    play = Play()
    play.volume("mine", claimRef={"namespace": "shop", "name": "second"})
    play.claim("first", volumeName="mine")
    play.bind()
    assert play.bound("first") == "mine"
    play.claim("third", volumeName="not-there")
    play.bind()
    assert play.get("PersistentVolumeClaim", "third").status["phase"] == "Pending"


def test_a_statefulset_makes_claims_that_outlive_pods_and_go_by_policy() -> None:
    world = World()
    template = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    spec: dict[str, Any] = {"replicas": 2, "volumeClaimTemplates": [template], "serviceName": "web"}
    world.add(workload("StatefulSet", "web", **spec, persistentVolumeClaimRetentionPolicy=policy))
    world.settle()
    claims = world.all("PersistentVolumeClaim")
    assert [claim.name for claim in claims] == ["data-web-0", "data-web-1"]
    assert claims[0].labels == {"app": "web"}
    assert claims[0].metadata["ownerReferences"][0]["kind"] == "StatefulSet"
    (volume,) = world.get("Pod", "web-1").spec["volumes"]
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
    world.change("StatefulSet", "web", {"spec": {"replicas": 1}})
    world.settle()
    assert [claim.name for claim in world.all("PersistentVolumeClaim")] == ["data-web-0"]
