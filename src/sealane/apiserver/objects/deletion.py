"""The effects of a deletion on an object: gone at once, or marked and waited for.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination,
https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/ and
https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sealane.apiserver import errors
from sealane.apiserver.access.user import CONTROL_PLANE, User
from sealane.apiserver.clock import timestamp
from sealane.apiserver.objects.metadata import with_metadata
from sealane.apiserver.registry.resources import Served
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw

Propagation = Literal["Background", "Foreground", "Orphan"]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_FINALIZERS: tuple[tuple[Propagation, str], ...] = (("Orphan", ORPHAN), ("Foreground", FOREGROUND))


class Deletion(msgspec.Struct, frozen=True):
    """meta/v1 DeleteOptions. user: who deletes."""

    grace_seconds: int | None = None
    propagation: Propagation | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    user: User = CONTROL_PLANE


PLAIN = Deletion()
"""As `kubectl delete` asks: with the object's own grace period, its dependents in the background."""


def check_preconditions(kind: Kind, old: Object, options: Deletion) -> None:
    """Raises ApiError 409."""
    if options.uid and options.uid != old.uid:
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {old.uid}"
        raise errors.conflict(kind, old.name, why)
    if options.resource_version and options.resource_version != old.resource_version:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {old.resource_version}"
        )
        raise errors.conflict(kind, old.name, why)


def marked(served: Served, raw: Raw, options: Deletion) -> Raw:
    """`raw` as a deletion leaves it; the same object when it was marked so already."""
    metadata = raw["metadata"]
    grace = served.definition.grace(raw, options.grace_seconds)
    before = list(metadata.get("finalizers") or ())
    finalizers = list(before)
    for policy, finalizer in _FINALIZERS:
        if options.propagation == policy and finalizer not in finalizers:
            finalizers.append(finalizer)
        elif options.propagation not in (policy, None) and finalizer in finalizers:
            finalizers.remove(finalizer)
    already = "deletionTimestamp" in metadata
    shorter = grace < metadata.get("deletionGracePeriodSeconds", 0)
    if already and not shorter and finalizers == before:
        return raw
    changes: dict[str, Any] = {"finalizers": finalizers or None}
    if not already or shorter:
        changes |= {"deletionTimestamp": timestamp(grace), "deletionGracePeriodSeconds": grace}
    if not already and "generation" in metadata:
        changes["generation"] = metadata["generation"] + 1
    raw = with_metadata(raw, **changes)
    ending = served.definition.ending
    return ending(raw) if ending is not None else raw


def finished(served: Served, raw: Raw) -> bool:
    """Marked for deletion, and nothing is waited for any more."""
    metadata = raw["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return not served.definition.spec_finalizers or not (raw.get("spec") or {}).get("finalizers")
