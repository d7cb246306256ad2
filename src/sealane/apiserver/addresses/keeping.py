"""The addresses and ports that the Services of one store hold, kept through each write of Services and IPAddresses."""

from __future__ import annotations

from sealane.apiserver.addresses import ranges
from sealane.apiserver.addresses.allocation import allocate
from sealane.apiserver.storage.store import Store
from sealane.kube.objects import Object, Raw
from sealane.network.services.allocation import Allocated, addresses, owner_of

_SERVICES = ("", "services")


class Keeping:
    """Belongs to the event loop of its store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._allocated = Allocated()
        for stored in store.items(ranges.ADDRESSES):
            self._allocated.addresses[stored.object.name] = ranges.parent(stored.object)
        for stored in store.items(_SERVICES):
            self._allocated.hold(stored.object.raw)

    def allocated(self, service: Raw, old: Raw | None) -> Raw:
        """`service` with its addresses and node ports, which are not held yet. Raises ApiError 422."""
        self._allocated.ranges = ranges.usable(self._store)
        return allocate(service, old, self._allocated)

    def service_written(self, new: Raw | None, old: Raw | None) -> None:
        """`new` (None: nothing any more) is on its way to the disk in place of `old`."""
        if old is not None:
            self._allocated.release(old)
        if new is not None:
            self._allocated.hold(new)
        before, after = addresses(old), addresses(new)
        if before or after:
            ranges.record(self._store, before, after, owner_of(new or old or {}))

    def address_written(self, new: Raw | None, old: Raw | None) -> None:
        """An IPAddress is kept from other Services than its own; it stays while its Service does."""
        address = (new or old or {})["metadata"]["name"]
        if new is not None:
            self._allocated.addresses.setdefault(address, ranges.parent(Object(new)))
            return
        owner = self._allocated.addresses.get(address, ("", ""))
        service = self._store.head(_SERVICES, *owner)
        if service is not None and address in addresses(service.object.raw):
            ranges.record(self._store, (), (address,), owner)
        else:
            self._allocated.addresses.pop(address, None)
