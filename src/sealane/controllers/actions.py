"""The actions of a controller: the plain values that pure planning functions return and a `Reconciler` carries out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw


class Create(msgspec.Struct, frozen=True):
    kind: Kind
    raw: Raw


class Patch(msgspec.Struct, frozen=True):
    """A JSON merge patch."""

    kind: Kind
    namespace: str
    name: str
    patch: Raw
    subresource: str = ""


class Delete(msgspec.Struct, frozen=True):
    """`uid`: only that object, not a later one of the same name."""

    kind: Kind
    namespace: str
    name: str
    uid: str


class Say(msgspec.Struct, frozen=True):
    """An Event about the reconciled object."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Again(msgspec.Struct, frozen=True):
    """Plan again in so many seconds, although nothing may have changed by then."""

    seconds: float


Action = Create | Patch | Delete | Say | Again


def owner_reference(kind: Kind, owner: Object) -> Raw:
    """The controller reference that what `owner` makes carries (meta/v1 OwnerReference)."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(each: Object) -> Mapping[str, Any] | None:
    """The reference to the controller of an object, if it has one."""
    for reference in each.metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return reference
    return None


def by_controller(each: Object) -> tuple[str, ...]:
    """Index of objects by their controller's uid; those without one by "orphans of NAMESPACE"."""
    reference = controller_of(each)
    return (reference["uid"],) if reference else (orphans_of(each.namespace),)


def orphans_of(namespace: str) -> str:
    """The entry under which an index by controller keeps objects without one."""
    return f"orphans of {namespace}"


def adopt(kind: Kind, owner_kind: Kind, owner: Object, orphan: Object) -> Patch:
    references = [*(orphan.metadata.get("ownerReferences") or ()), owner_reference(owner_kind, owner)]
    return Patch(kind, orphan.namespace, orphan.name, {"metadata": {"ownerReferences": references}})


def release(kind: Kind, owner: Object, child: Object) -> Patch:
    references = [each for each in child.metadata.get("ownerReferences") or () if each.get("uid") != owner.uid]
    return Patch(kind, child.namespace, child.name, {"metadata": {"ownerReferences": references or None}})


def claim(
    kind: Kind,
    owner_kind: Kind,
    owner: Object,
    owned: Iterable[Object],
    orphans: Iterable[Object],
    matches: Callable[[Mapping[str, str]], bool],
) -> tuple[list[Object], list[Action]]:
    """The objects of `owner`, with orphans that its selector matches adopted and those that it no longer does released.

    https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#how-a-replicaset-works
    """
    mine: list[Object] = []
    actions: list[Action] = []
    for child in owned:
        if matches(child.labels) or owner.deleting:
            mine.append(child)
        elif not child.deleting:
            actions.append(release(kind, owner, child))
    for orphan in orphans:
        if not owner.deleting and not orphan.deleting and matches(orphan.labels):
            actions.append(adopt(kind, owner_kind, owner, orphan))
            mine.append(orphan)
    return mine, actions


def write_status(kind: Kind, of: Object, status: Raw) -> list[Action]:
    """The patch that makes the status what is given: fields of it that are None are removed, others left alone."""
    before = of.status
    patch = {name: value for name, value in status.items() if before.get(name) != value}
    return [Patch(kind, of.namespace, of.name, {"status": patch}, "status")] if patch else []


def observed(of: Object) -> int:
    return int(of.metadata.get("generation") or 0)
