"""The controllers of PersistentVolumeClaims and PersistentVolumes, wired."""

from __future__ import annotations

from sealane.controllers.actions import Action
from sealane.controllers.reconciler import Reconciler
from sealane.controllers.volumes.claims import plan_claim, plan_volume
from sealane.controllers.workloads.wiring import Sources, namespace_of
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM
from sealane.kube.objects import Object
from sealane.reactive.collections import ByIndex
from sealane.reactive.recorder import Recorder


def claim_controller(client: Client, sources: Sources, recorder: Recorder) -> Reconciler:
    claims, volumes = sources[PERSISTENTVOLUMECLAIM], sources[PERSISTENTVOLUME]

    def plan(claim: Object) -> list[Action]:
        return plan_claim(claim, volumes.select(None))

    controller = Reconciler(client, PERSISTENTVOLUMECLAIM, sources, plan, recorder)
    controller.follow(volumes, lambda _volume: [each.key for each in claims.values() if _is_unbound(each)])
    return controller


def _is_unbound(claim: Object) -> bool:
    return bool(claim.status.get("phase") != "Bound")


def volume_controller(client: Client, sources: Sources, recorder: Recorder) -> Reconciler:
    claims, volumes = sources[PERSISTENTVOLUMECLAIM], sources[PERSISTENTVOLUME]

    def plan(volume: Object) -> list[Action]:
        namespace = (volume.spec.get("claimRef") or {}).get("namespace", "")
        return plan_volume(volume, claims.select(ByIndex(namespace_of, namespace)))

    controller = Reconciler(client, PERSISTENTVOLUME, sources, plan, recorder)
    controller.follow(claims, lambda claim: [each.key for each in volumes.values() if _names(each, claim)])
    return controller


def _names(volume: Object, claim: Object) -> bool:
    return (volume.spec.get("claimRef") or {}).get("uid") == claim.uid
