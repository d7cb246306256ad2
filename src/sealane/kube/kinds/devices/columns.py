"""Columns of `kubectl get` for claims of devices and for the devices that drivers offer.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, shown, status_of, text
from sealane.kube.objects import Raw


def _state(raw: Raw) -> str:
    status = status_of(raw)
    states = ["deleted"] if raw["metadata"].get("deletionTimestamp") else []
    states += ["allocated"] if status.get("allocation") else []
    states += ["reserved"] if status.get("reservedFor") else []
    return ",".join(states) or "pending"


CLAIM = (NAME, shown("State", _state), AGE)
SLICE = (
    NAME,
    text("Node", "spec", "nodeName", absent="<unset>"),
    text("Driver", "spec", "driver"),
    text("Pool", "spec", "pool", "name"),
    AGE,
)
