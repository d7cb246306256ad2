"""ServiceCIDRs that are being deleted go when no IPAddress needs them, and say so while one does.

Source: KEP-1880 and k8s.io/kubernetes/pkg/controller/servicecidrs
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from sealane.apiserver.addresses.ranges import ADDRESSES, CIDRS, IN_USE, networks, usable
from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.storage.values import Event
from sealane.kube import kinds
from sealane.kube.kinds.services.ranges import FINALIZER, condition
from sealane.kube.objects import Raw


class Ranges:
    """Follows one Api."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ending = {stored.object.name for stored in api.store.items(CIDRS) if stored.object.deleting}
        self._work = Worklist("service ranges", self._settle)
        self._work.add(sorted(self._ending))
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        touched = False
        for type_, address, stored, _ in events:
            if address.resource == CIDRS:
                touched = True
                if type_ == "DELETED":
                    self._ending.discard(address.name)
                elif stored.object.deleting:
                    self._ending.add(address.name)
            elif address.resource == ADDRESSES and type_ == "DELETED":
                touched = True
        self._work.add(sorted(self._ending) if touched else ())

    async def _settle(self, name: str) -> None:
        store = self._api.store
        stored = store.get(CIDRS, "", name)
        if stored is None or not stored.object.deleting:
            return
        own, others = networks(stored.object), usable(store, but=name)
        needed = any(
            any(address in network for network in own) and not any(address in network for network in others)
            for address in (ip_address(each.object.name) for each in store.items(ADDRESSES))
        )
        served = self._api.resources.of(kinds.SERVICECIDR)
        if not needed:
            await self._api.change(served, "", name, _released)
        elif not any(each.get("reason") == "Terminating" for each in stored.object.status.get("conditions") or ()):
            status = {"conditions": [condition(False, "Terminating", IN_USE, timestamp())]}
            await self._api.change(served, "", name, lambda raw: {**raw, "status": status}, "status")


def _released(raw: Raw) -> Raw:
    finalizers = [each for each in raw["metadata"].get("finalizers") or () if each != FINALIZER]
    return {**raw, "metadata": {**raw["metadata"], "finalizers": finalizers}}
