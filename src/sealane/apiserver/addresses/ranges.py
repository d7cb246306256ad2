"""Ranges of Service addresses and the objects that stand for them: ServiceCIDR, IPAddress (networking.k8s.io/v1).

Every address that a Service holds has an IPAddress of that name, from the same commit. A ServiceCIDR adds a range;
one that is being deleted gives out nothing more and goes when no address needs it. Sources: KEP-1880,
https://kubernetes.io/docs/tasks/network/extend-service-ip-ranges/ and pkg/controller/servicecidrs of Kubernetes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from sealane.apiserver.clock import timestamp
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.backends import Address, Resource, StorageError
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw
from sealane.network.addresses import SERVICES, IPNetwork

if TYPE_CHECKING:
    from sealane.apiserver.api import Api

log = logging.getLogger(__name__)

CIDRS: Resource = (kinds.SERVICECIDR.group, kinds.SERVICECIDR.plural)
ADDRESSES: Resource = (kinds.IPADDRESS.group, kinds.IPADDRESS.plural)
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
DEFAULT = "kubernetes"
"""The ServiceCIDR that every cluster has."""
_SERVED = Served(kinds.IPADDRESS, kinds.IPADDRESS)
IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def default_cidr() -> Raw:
    return {
        "apiVersion": kinds.SERVICECIDR.api_version,
        "kind": kinds.SERVICECIDR.kind,
        "metadata": {"name": DEFAULT},
        "spec": {"cidrs": [str(network) for network in SERVICES]},
    }


def ip_object(address: str, namespace: str, service: str) -> Raw:
    """The IPAddress of an address that a Service holds."""
    return {
        "apiVersion": kinds.IPADDRESS.api_version,
        "kind": kinds.IPADDRESS.kind,
        "metadata": {
            "name": address,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv6" if ":" in address else "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": service}},
    }


def networks(cidr: Object) -> list[IPNetwork]:
    return [ip_network(text) for text in cidr.spec.get("cidrs") or ()]


def usable(store: Store, but: str = "") -> list[IPNetwork]:
    """The ranges to allocate from, those of the default first. but: a ServiceCIDR to leave out of account."""
    found = sorted((stored.object for stored in store.items(CIDRS)), key=lambda each: (each.name != DEFAULT, each.name))
    if not found:
        return list(SERVICES)
    return [network for each in found if not each.deleting and each.name != but for network in networks(each)]


def condition(ready: bool, reason: str, message: str) -> Raw:
    return {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(),
    }


def record(store: Store, before: Iterable[str], after: Iterable[str], owner: tuple[str, str]) -> None:
    """Puts the IPAddresses of a Service into the commit that is being prepared."""
    old, new = set(before), set(after)
    for name in sorted(old - new):
        stored = store.head(ADDRESSES, "", name)
        if stored is not None and parent(stored.object) == owner:
            store.enqueue(Address(ADDRESSES, "", name), store.stamped(stored.object.raw), True)
    for name in sorted(new):
        if store.head(ADDRESSES, "", name) is None:
            raw = ip_object(name, *owner)
            store.enqueue(Address(ADDRESSES, "", name), store.stamped(born(_SERVED, raw, new_metadata(raw))))


def parent(address: Object) -> tuple[str, str]:
    """Namespace and name of the Service that an IPAddress stands for; empty when it stands for something else."""
    reference = address.spec.get("parentRef") or {}
    if (reference.get("group") or "", reference.get("resource")) != ("", "services"):
        return "", ""
    return reference.get("namespace") or "", reference.get("name") or ""


class Ranges:
    """Lets ServiceCIDRs go when nothing needs them. Belongs to one Api; works in tasks of its event loop."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ending = {stored.object.name for stored in api.store.items(CIDRS) if stored.object.deleting}
        self._task: asyncio.Task[None] | None = None
        self._again = False
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
        if touched:
            self.wake()

    def wake(self) -> None:
        """Looks at what is being deleted, such as what an earlier process left. Needs a running event loop."""
        self._again = bool(self._ending)
        if self._again and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="service ranges")

    async def _run(self) -> None:
        try:
            while self._again:
                self._again = False
                for name in sorted(self._ending):
                    with suppress(ApiError):  # it is gone
                        await self._settle(name)
        except StorageError as error:
            log.warning("%s", error)
        finally:
            self._task = None

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
            status = {"conditions": [condition(False, "Terminating", IN_USE)]}
            await self._api.change(served, "", name, lambda raw: {**raw, "status": status}, "status")


def _released(raw: Raw) -> Raw:
    finalizers = [each for each in raw["metadata"].get("finalizers") or () if each != FINALIZER]
    return {**raw, "metadata": {**raw["metadata"], "finalizers": finalizers}}
