"""PersistentVolumeClaims are bound at once: to a volume that fits, else to one that is made for them.

A volume is a directory that lives as long as the cluster runs: there is one machine, so every node reaches it.
Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/ (binding, phases, reclaiming).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealane.controllers.actions import Action, Create, Delete, Patch, Say, write_status
from sealane.kube.kinds import PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM
from sealane.kube.objects import Object, Raw
from sealane.kube.quantities import thousandths
from sealane.kube.selectors import LabelSelector

PROVISIONED = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "sealane.dev/directory"


def plan_claim(claim: Object, volumes: Sequence[Object]) -> list[Action]:
    """The volume that it is bound to, one made for it, and its status. volumes: all that there are."""
    if claim.deleting:
        return []
    wanted = claim.spec.get("volumeName")
    if wanted:
        volume = next((each for each in volumes if each.name == wanted), None)
    else:
        volume = next(iter(sorted(_fitting(claim, volumes), key=lambda each: (_size(each.spec), each.name))), None)
    if volume is None and wanted and wanted != _name(claim):
        return write_status(PERSISTENTVOLUMECLAIM, claim, {"phase": "Pending"})
    if volume is None:
        return [
            Create(PERSISTENTVOLUME, _made_for(claim)),
            Say("Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {_name(claim)}"),
        ]
    actions: list[Action] = []
    reference = volume.spec.get("claimRef") or {}
    if not reference.get("uid"):
        actions.append(Patch(PERSISTENTVOLUME, "", volume.name, {"spec": {"claimRef": _reference(claim)}}))
    elif reference["uid"] != claim.uid:
        return write_status(PERSISTENTVOLUMECLAIM, claim, {"phase": "Lost" if wanted else "Pending"})
    if not wanted:
        bound = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
        patch = {"metadata": {"annotations": bound}, "spec": {"volumeName": volume.name}}
        actions.append(Patch(PERSISTENTVOLUMECLAIM, claim.namespace, claim.name, patch))
    status: Raw = {
        "phase": "Bound",
        "accessModes": volume.spec.get("accessModes") or None,
        "capacity": volume.spec.get("capacity") or None,
    }
    return [*actions, *write_status(PERSISTENTVOLUMECLAIM, claim, status)]


def plan_volume(volume: Object, claims: Iterable[Object]) -> list[Action]:
    """Its phase; one that was made for a claim goes with it. claims: those of the namespace that it names."""
    reference = volume.spec.get("claimRef")
    if volume.deleting:
        return []
    if not reference or not reference.get("uid"):
        return write_status(PERSISTENTVOLUME, volume, {"phase": "Available"})
    if any(each.uid == reference["uid"] for each in claims):
        return write_status(PERSISTENTVOLUME, volume, {"phase": "Bound"})
    if volume.spec.get("persistentVolumeReclaimPolicy") == "Delete":
        return [Delete(PERSISTENTVOLUME, "", volume.name, volume.uid)]
    return write_status(PERSISTENTVOLUME, volume, {"phase": "Released"})


def _fitting(claim: Object, volumes: Iterable[Object]) -> Iterable[Object]:
    spec, labels = claim.spec, claim.spec.get("selector")
    for volume in volumes:
        has, reference = volume.spec, volume.spec.get("claimRef") or {}
        reserved = (reference.get("namespace"), reference.get("name")) == (claim.namespace, claim.name)
        if volume.deleting or (reference and not (reserved and reference.get("uid") in (None, "", claim.uid))):
            continue
        if (has.get("storageClassName") or "") != (spec.get("storageClassName") or ""):
            continue
        if not set(spec.get("accessModes") or ()) <= set(has.get("accessModes") or ()):
            continue
        if labels is not None and not LabelSelector.of(labels).matches(volume.labels):
            continue
        if _size(has) >= _size(spec.get("resources", {}).get("requests") or {}, whole=True):
            yield volume


def _size(spec: Mapping[str, Any], *, whole: bool = False) -> int:
    amounts = spec if whole else spec.get("capacity") or {}
    try:
        return thousandths(str(amounts.get("storage", "0")))
    except ValueError:
        return 0


def _name(claim: Object) -> str:
    return f"pvc-{claim.uid}"


def _made_for(claim: Object) -> Raw:
    spec = claim.spec
    requests = (spec.get("resources") or {}).get("requests") or {}
    wanted: Raw = {
        "capacity": {"storage": requests.get("storage", "1Gi")},
        "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "volumeMode": spec.get("volumeMode") or "Filesystem",
        "claimRef": _reference(claim),
        "hostPath": {"path": f"/claims/{claim.namespace}/{claim.name}", "type": ""},
    }
    if spec.get("storageClassName"):
        wanted["storageClassName"] = spec["storageClassName"]
    metadata = {"name": _name(claim), "annotations": {PROVISIONED: PROVISIONER}}
    return {
        "apiVersion": PERSISTENTVOLUME.api_version,
        "kind": PERSISTENTVOLUME.kind,
        "metadata": metadata,
        "spec": wanted,
    }


def _reference(claim: Object) -> Raw:
    return {
        "apiVersion": PERSISTENTVOLUMECLAIM.api_version,
        "kind": PERSISTENTVOLUMECLAIM.kind,
        "namespace": claim.namespace,
        "name": claim.name,
        "uid": claim.uid,
    }
