"""Names that Services ask for outside the cluster's domain, for their load balancers' addresses or for the nodes.

On a cloud another DNS holds them (ExternalDNS writes them there, Azure does for its labels); here they are answered in
the place of the servers upstream. `network.services.annotations.public_names` says which annotations ask for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealane.kube.kinds import NODE, SERVICE
from sealane.kube.objects import Key, Object
from sealane.network.names import Record
from sealane.network.names.records import address_record
from sealane.network.services.annotations import node_addresses, public_names
from sealane.network.services.slices import address_types
from sealane.reactive.collections import Change, Fetch, derive
from sealane.reactive.objects import Objects

TTL = 30


@dataclass(frozen=True, slots=True)
class Named:
    """Names, and the addresses that they all have.

    families: of the nodes' addresses that they have instead, for a Service of type NodePort.
    """

    names: tuple[str, ...]
    addresses: tuple[str, ...]
    families: tuple[str, ...] = ()


class PublicNames:
    """Follows Services, and nodes once a name needs them. Of two that ask for one name both answer."""

    def __init__(self, objects: Objects) -> None:
        self._held: dict[str, dict[Key, Named]] = {}
        self._objects = objects
        derive("public names", objects[SERVICE], _named).subscribe(self._changed)

    def __call__(self, name: str) -> tuple[Record, ...] | None:
        """The addresses of a name, lower case and without the final dot; None for a name that no Service publishes."""
        held = self._held.get(name)
        if held is None:
            return None
        found = dict.fromkeys(address for each in held.values() for address in self._addresses(each))
        plain = (address_record(name, address) for address in found)
        return tuple(Record(each.name, each.type, each.data, TTL) for each in plain)

    def _addresses(self, named: Named) -> Sequence[str]:
        return node_addresses(self._objects[NODE].values(), named.families) if named.families else named.addresses

    def _changed(self, changes: Sequence[Change[Key, Named]]) -> None:
        for change in changes:
            for name in change.old.names if change.old is not None else ():
                self._held[name].pop(change.key, None)
                if not self._held[name]:
                    del self._held[name]
            if change.new is not None:
                if change.new.families:
                    self._objects[NODE]  # followed from now on
                for name in change.new.names:
                    self._held.setdefault(name, {})[change.key] = change.new


def _named(_key: Key, service: Object, _fetch: Fetch) -> Named | None:
    names = public_names(service)
    if names and service.spec.get("type") == "NodePort":
        return Named(names, (), address_types(service))
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    addresses = tuple(each["ip"] for each in ingress if each.get("ip"))
    return Named(names, addresses) if names and addresses else None
