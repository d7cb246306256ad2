"""Garbage collection: what belongs to owners goes when they have gone.

Work follows commits: a deleted owner touches its dependents, found by an index; nothing is scanned but at the start.
Source: https://kubernetes.io/docs/concepts/architecture/garbage-collection/ and
k8s.io/kubernetes/pkg/controller/garbagecollector (attemptToDeleteItem, attemptToOrphan)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.deletion import FOREGROUND, ORPHAN, Deletion, Propagation
from sealane.apiserver.objects.metadata import new_uid
from sealane.apiserver.registry.resources import DEFINITIONS, Served
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.values import Event, Stored
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw

if TYPE_CHECKING:
    from sealane.kube.shapes.meta_v1 import OwnerReference


class Collector:
    """Follows one Api."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dependents: dict[str, set[Address]] = {}
        self._said: set[tuple[str, str]] = set()  # UIDs of dependents and of owners that are not where they should be
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
            if address.resource == DEFINITIONS and type_ != "DELETED":
                # Kinds that were unknown before: now their objects can be missed.
                touched += [each for uid, those in self._dependents.items() if by_uid(uid) is None for each in those]
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
                if any(self._owner(owner, found) is None for owner in owners):
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
        if any(self._unknown(owner) for owner in _owners(found)):
            return  # whether it is there cannot be said
        absent, waiting, solid = self._sorted_owners(found)
        await self._say_misplaced(found, absent)
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
            if there is None and not found.namespace and self._namespaced(owner):
                solid.append(owner)  # a cluster-scoped object does not say in which namespace its owner is
            elif there is None:
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

    def _served(self, reference: OwnerReference) -> Served | None:
        named = (reference.get("apiVersion"), reference.get("kind"))
        return next((s for s in self._api.resources.all() if (s.kind.api_version, s.kind.kind) == named), None)

    def _unknown(self, reference: OwnerReference) -> bool:
        """Whether the owner is of a kind that is not served: never absent, as the RESTMapper has no match for it."""
        return self._api.store.by_uid(reference["uid"]) is None and self._served(reference) is None

    def _namespaced(self, reference: OwnerReference) -> bool:
        served = self._served(reference)
        return served is not None and served.kind.namespaced

    async def _say_misplaced(self, found: Object, absent: Sequence[OwnerReference]) -> None:
        """An Event for each owner that is somewhere else than the reference says (reportInvalidNamespaceOwnerRef)."""
        for owner in absent:
            once = (found.uid, owner["uid"])
            if self._api.store.by_uid(owner["uid"]) is None or once in self._said:
                continue
            self._said.add(once)
            said = f"[{owner.get('apiVersion')}/{owner.get('kind')}, namespace: {found.namespace}, "
            said += f"name: {owner.get('name')}, uid: {owner['uid']}]"
            event = {
                "metadata": {"name": f"{found.name}.{new_uid()[:8]}", "namespace": found.namespace or "default"},
                "type": "Warning",
                "reason": "OwnerRefInvalidNamespace",
                "message": f'ownerRef {said} does not exist in namespace "{found.namespace}"',
                "involvedObject": {
                    "apiVersion": found.raw["apiVersion"],
                    "kind": found.kind,
                    "name": found.name,
                    "namespace": found.namespace,
                    "uid": found.uid,
                },
                "source": {"component": "garbage-collector-controller"},
                "count": 1,
                "firstTimestamp": timestamp(),
                "lastTimestamp": timestamp(),
            }
            with contextlib.suppress(ApiError):  # its namespace may go at the same time
                await self._api.create(kinds.EVENT, found.namespace or "default", event)

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
