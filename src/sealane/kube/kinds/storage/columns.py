"""What `kubectl get` shows of volumes and claims.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, shown, spec_of, status_of, text
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
