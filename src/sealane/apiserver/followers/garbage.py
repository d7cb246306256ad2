"""Garbage collection: what belongs to owners goes when they have gone.

Work follows commits: a deleted owner touches its dependents, found by an index; nothing is scanned but at the start.
Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
k8s.io/kubernetes/pkg/controller/garbagecollector (attemptToDeleteItem, attemptToOrphan)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sealane.apiserver.api import Api
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.deletion import FOREGROUND, ORPHAN, Deletion, Propagation
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.values import Event, Stored
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw

if TYPE_CHECKING:
    from sealane.kube.shapes.meta_v1 import OwnerReference


class Collector:
    """Follows one Api."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dependents: dict[str, set[Address]] = {}
        self._work = Worklist("garbage collection", self._collect, together=True)
        store = api.store
        for resource in store.resources():
            for stored in store.items(resource):
                self._index(Address(resource, stored.object.namespace, stored.object.name), stored.object)
        for uid, dependents in self._dependents.items():
            if store.by_uid(uid) is None:
                self._work.add(dependents)
        for resource in store.resources():
            for stored in store.items(resource):
                if stored.object.deleting and _finalizers(stored.object) & {ORPHAN, FOREGROUND}:
                    self._work.add([Address(resource, stored.object.namespace, stored.object.name)])
        store.subscribe(self._committed)

    def _index(self, address: Address, found: Object) -> None:
        for owner in _owners(found):
            self._dependents.setdefault(owner["uid"], set()).add(address)

    def _committed(self, events: Sequence[Event]) -> None:
        by_uid = self._api.store.by_uid
        touched: list[Address] = []
        for type_, address, stored, before in events:
            found = stored.object
            if before is not None:
                for owner in _owners(before.object):
                    uid = owner["uid"]
                    dependents = self._dependents.get(uid)
                    if dependents is not None:
                        dependents.discard(address)
                        if not dependents:
                            del self._dependents[uid]
                    touched += self._waiting_owner(uid)
            if type_ == "DELETED":
                touched += self._dependents.get(found.uid, ())
                continue
            owners = _owners(found)
            if owners:
                self._index(address, found)
                if any(by_uid(owner["uid"]) is None for owner in owners):
                    touched.append(address)
            if found.deleting and _finalizers(found) & {ORPHAN, FOREGROUND}:
                touched.append(address)
        self._work.add(touched)

    def _waiting_owner(self, uid: str) -> Sequence[Address]:
        """The owner of that UID when it waits for its dependents to go first."""
        address = self._api.store.by_uid(uid)
        owner = self._api.store.get(*address) if address is not None else None
        if address is None or owner is None:
            return ()
        waits = owner.object.deleting and FOREGROUND in _finalizers(owner.object)
        return (address,) if waits else ()

    async def _collect(self, address: Address) -> None:
        stored = self._api.store.get(*address)
        served = self._api.resources.stored(address.resource)
        if stored is None or served is None:
            return
        found = stored.object
        if found.deleting:
            held = _finalizers(found)
            if ORPHAN in held:
                await self._orphan(address, found)
                return
            if FOREGROUND in held:
                await self._delete_foreground(address, found)
                return
        absent, waiting, solid = self._sorted_owners(found)
        if not absent and not waiting:
            return
        if solid:
            await self._drop_owners(address, {owner["uid"] for owner in (*absent, *waiting)})
        elif not found.deleting:
            policy: Propagation | None = None
            if waiting and self._dependents.get(found.uid):
                policy = "Foreground"
            options = Deletion(propagation=policy, uid=found.uid)
            await self._api.delete(served.kind, address.namespace, address.name, options)

    def _sorted_owners(self, found: Object) -> tuple[list[OwnerReference], list[OwnerReference], list[OwnerReference]]:
        """Owners that are gone; that wait for their dependents to go first; that are there."""
        absent: list[OwnerReference] = []
        waiting: list[OwnerReference] = []
        solid: list[OwnerReference] = []
        for owner in _owners(found):
            there = self._owner(owner, found)
            if there is None:
                absent.append(owner)
            elif there.object.deleting and FOREGROUND in _finalizers(there.object):
                waiting.append(owner)
            else:
                solid.append(owner)
        return absent, waiting, solid

    def _owner(self, reference: OwnerReference, dependent: Object) -> Stored | None:
        """An owner has the UID, kind and name that the reference says, and the dependent's namespace or none."""
        address = self._api.store.by_uid(reference["uid"])
        stored = self._api.store.get(*address) if address is not None else None
        if stored is None or address is None or address.namespace not in ("", dependent.namespace):
            return None
        same = (stored.object.kind, stored.object.name) == (reference.get("kind"), reference.get("name"))
        return stored if same else None

    async def _orphan(self, address: Address, owner: Object) -> None:
        dependents = list(self._dependents.get(owner.uid, ()))
        await asyncio.gather(*(self._drop_owners(dependent, {owner.uid}) for dependent in dependents))
        await self._release(address, ORPHAN)

    async def _delete_foreground(self, address: Address, owner: Object) -> None:
        blocking = False
        for dependent in list(self._dependents.get(owner.uid, ())):
            stored = self._api.store.get(*dependent)
            if stored is None:
                continue
            references = [each for each in _owners(stored.object) if each["uid"] == owner.uid]
            blocking = blocking or any(each.get("blockOwnerDeletion") for each in references)
            if not stored.object.deleting:
                self._work.add([dependent])
        if not blocking:
            await self._release(address, FOREGROUND)

    async def _drop_owners(self, address: Address, uids: set[str]) -> None:
        def without(raw: Raw) -> Raw:
            metadata = raw["metadata"]
            kept = [each for each in metadata.get("ownerReferences") or () if each["uid"] not in uids]
            metadata = {key: value for key, value in metadata.items() if key != "ownerReferences"}
            return {**raw, "metadata": {**metadata, **({"ownerReferences": kept} if kept else {})}}

        await self._change(address, without)

    async def _release(self, address: Address, finalizer: str) -> None:
        def without(raw: Raw) -> Raw:
            metadata = raw["metadata"]
            kept = [each for each in metadata.get("finalizers") or () if each != finalizer]
            return {**raw, "metadata": {**metadata, "finalizers": kept}}

        await self._change(address, without)

    async def _change(self, address: Address, change: Callable[[Raw], Raw]) -> None:
        served = self._api.resources.stored(address.resource)
        if served is None:
            return
        try:
            await self._api.change(served, address.namespace, address.name, change)
        except ApiError as error:
            if error.code != 404:
                raise


def _owners(found: Object) -> Sequence[OwnerReference]:
    return found.metadata.get("ownerReferences") or ()


def _finalizers(found: Object) -> frozenset[str]:
    return frozenset(found.metadata.get("finalizers") or ())
