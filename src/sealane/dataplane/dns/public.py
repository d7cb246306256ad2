"""Names that Services ask for outside the cluster's domain, for their load balancers' addresses.

On a cloud another DNS holds them (ExternalDNS writes them there, Azure does for its labels); here they are answered in
the place of the servers upstream. `network.services.annotations.public_names` says which annotations ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sealane.kube.objects import Key, Object
from sealane.network.names import Record
from sealane.network.names.records import address_record
from sealane.network.services.annotations import public_names
from sealane.reactive.collections import Change, Collection, Fetch, derive

TTL = 30

Named = tuple[tuple[str, ...], tuple[str, ...]]
"""Names, and the addresses that they all have."""


class PublicNames:
    """Follows Services. Of two that ask for one name both answer."""

    def __init__(self, services: Collection[Key, Object]) -> None:
        self._held: dict[str, dict[Key, tuple[str, ...]]] = {}
        derive("public names", services, _named).subscribe(self._changed)

    def __call__(self, name: str) -> tuple[Record, ...] | None:
        """The addresses of a name, lower case and without the final dot; None for a name that nobody asked for."""
        held = self._held.get(name)
        if held is None:
            return None
        found = dict.fromkeys(address for addresses in held.values() for address in addresses)
        plain = (address_record(name, address) for address in found)
        return tuple(Record(each.name, each.type, each.data, TTL) for each in plain)

    def _changed(self, changes: Sequence[Change[Key, Named]]) -> None:
        for change in changes:
            for name in change.old[0] if change.old is not None else ():
                self._held[name].pop(change.key, None)
                if not self._held[name]:
                    del self._held[name]
            if change.new is not None:
                names, addresses = change.new
                for name in names:
                    self._held.setdefault(name, {})[change.key] = addresses


def _named(_key: Key, service: Object, _fetch: Fetch) -> Named | None:
    names = public_names(service)
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    addresses = tuple(each["ip"] for each in ingress if each.get("ip"))
    return (names, addresses) if names and addresses else None
