"""Columns of `kubectl get` for volumes, claims and CSI drivers.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, Column, shown, spec_of, status_of, text
from sealane.kube.objects import Raw

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: object) -> str:
    given = modes if isinstance(modes, list) else []
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def claimed_by(raw: Raw) -> str:
    reference = (raw.get("spec") or {}).get("claimRef") or {}
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


CLAIM = (
    NAME,
    text("Status", "status", "phase", absent=""),
    text("Volume", "spec", "volumeName", absent=""),
    text("Capacity", "status", "capacity", "storage", absent=""),
    shown("Access Modes", lambda raw: access_modes(status_of(raw).get("accessModes"))),
    text("StorageClass", "spec", "storageClassName", absent=""),
    text("VolumeAttributesClass", "spec", "volumeAttributesClassName", absent="<unset>"),
    AGE,
    text("VolumeMode", "spec", "volumeMode", wide=True, absent="<unset>"),
)
VOLUME = (
    NAME,
    text("Capacity", "spec", "capacity", "storage", absent=""),
    shown("Access Modes", lambda raw: access_modes(spec_of(raw).get("accessModes"))),
    text("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy", absent=""),
    text("Status", "status", "phase", absent=""),
    shown("Claim", claimed_by),
    text("StorageClass", "spec", "storageClassName", absent=""),
    text("VolumeAttributesClass", "spec", "volumeAttributesClassName", absent="<unset>"),
    text("Reason", "status", "reason", absent=""),
    AGE,
    text("VolumeMode", "spec", "volumeMode", wide=True, absent="<unset>"),
)


def _flag(raw: Raw, field: str) -> str:
    return "true" if spec_of(raw).get(field) else "false"


def _audiences(raw: Raw) -> str:
    return ",".join(str(each.get("audience", "")) for each in spec_of(raw).get("tokenRequests") or ()) or "<unset>"


DRIVER = (
    NAME,
    shown("AttachRequired", lambda raw: _flag(raw, "attachRequired")),
    shown("PodInfoOnMount", lambda raw: _flag(raw, "podInfoOnMount")),
    shown("StorageCapacity", lambda raw: _flag(raw, "storageCapacity")),
    shown("TokenRequests", _audiences),
    shown("RequiresRepublish", lambda raw: _flag(raw, "requiresRepublish")),
    shown("Modes", lambda raw: ",".join(spec_of(raw).get("volumeLifecycleModes") or ()) or "<none>"),
    AGE,
)
DRIVER_NODE = (NAME, Column("Drivers", lambda raw, _now: len(spec_of(raw).get("drivers") or ()), "integer"), AGE)
ATTACHMENT = (
    NAME,
    text("Attacher", "spec", "attacher"),
    text("PV", "spec", "source", "persistentVolumeName", absent=""),
    text("Node", "spec", "nodeName"),
    shown("Attached", lambda raw: "true" if status_of(raw).get("attached") else "false"),
    AGE,
)
ATTRIBUTES_CLASS = (NAME, text("DriverName", "driverName"), AGE)
