"""Defaults of CSIDrivers.

Source: k8s.io/kubernetes/pkg/apis/storage/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.objects import Raw

_DRIVER = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}


def driver(raw: Raw) -> Raw:
    def spec(found: Raw) -> Raw:
        found = filled(found, _DRIVER)
        return found if found.get("volumeLifecycleModes") else {**found, "volumeLifecycleModes": ["Persistent"]}

    return inside(raw, "spec", spec)
