"""What may change of claims and of storage classes.

Sources: ValidateStorageClassUpdate of k8s.io/kubernetes/pkg/apis/storage/validation and
ValidatePersistentVolumeClaimUpdate of k8s.io/kubernetes/pkg/apis/core/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.checks.changes import immutable, without
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem
from sealane.kube.quantities import thousandths

_MODE = "Immediate"
_CLAIM = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def check_class_change(storage_class: Part, old: Raw) -> Iterator[Problem]:
    for field, default in (("parameters", {}), ("provisioner", ""), ("reclaimPolicy", "Delete")):
        if (storage_class[field].value or default) != (old.get(field) or default):
            yield storage_class[field].forbidden(f"updates to {field} are forbidden.")
    mode = storage_class["volumeBindingMode"]
    if (mode.value or _MODE) != (old.get("volumeBindingMode") or _MODE):
        yield immutable(mode)


def check_claim_change(claim: Part, old: Raw) -> Iterator[Problem]:
    """A claim gets its volume once, and its class while it has none; what a bound one asks for may change."""
    now, was = claim["spec"].value or {}, old.get("spec") or {}
    free = {"volumeMode"} if now.get("volumeMode", "Filesystem") == was.get("volumeMode", "Filesystem") else set[str]()
    free |= {name for name in ("volumeName",) if not was.get(name)}
    if not was.get("volumeName") and was.get("storageClassName") is None:
        free.add("storageClassName")
    if (old.get("status") or {}).get("phase") == "Bound":
        free |= {"resources", "volumeAttributesClassName"}
    if without(now, free) != without(was, free):
        yield claim["spec"].forbidden(_CLAIM)
    wants, wanted = _storage(now.get("resources")), _storage(was.get("resources"))
    has = thousandths(str(((old.get("status") or {}).get("capacity") or {}).get("storage") or "0"))
    if wants < wanted and wants <= has:
        size = claim["spec"]["resources"]["requests"]["storage"]
        yield size.forbidden("field can not be less than status.capacity")


def _storage(resources: Raw | None) -> int:
    """What is requested, in thousandths of a byte."""
    return thousandths(str(((resources or {}).get("requests") or {}).get("storage") or "0"))
