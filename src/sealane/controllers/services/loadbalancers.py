"""Load balancers: an address of the pool for each Service of type LoadBalancer, in its status.

What a cloud's controller or MetalLB does: https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
An address that a Service has is kept, also over restarts, because the status holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address

from sealane.controllers.actions import Action, Again, Patch, Say
from sealane.kube.kinds import SERVICE
from sealane.kube.objects import Key, Object, Raw
from sealane.network.addresses import INTERNAL_LOAD_BALANCERS, LOAD_BALANCERS, IPAddress, IPNetwork
from sealane.network.services import is_ours
from sealane.network.services.annotations import ADDRESSES, wants_internal
from sealane.network.services.listeners import listeners
from sealane.network.services.slices import address_types

RETRY = 5.0
"""Seconds after which a Service that got no address asks again."""


class Pool:
    """Which Service holds which address. Addresses that end in .0 or are the last of the range are not given out."""

    def __init__(
        self, ranges: Sequence[IPNetwork] = LOAD_BALANCERS, internal: Sequence[IPNetwork] = INTERNAL_LOAD_BALANCERS
    ) -> None:
        self._ranges = {False: tuple(ranges), True: tuple(internal)}
        self._holders: dict[IPAddress, Key] = {}
        self._held: dict[Key, set[IPAddress]] = {}
        self._next: dict[IPNetwork, int] = {}

    def holder(self, address: IPAddress) -> Key | None:
        return self._holders.get(address)

    def covers(self, address: IPAddress, *, internal: bool) -> bool:
        return any(address in each for each in self._ranges[internal] if each.version == address.version)

    def hold(self, key: Key, addresses: Iterable[IPAddress]) -> None:
        """`key` holds exactly these; what another holds already stays the other's."""
        wanted = {each for each in addresses if self._holders.get(each, key) == key}
        for address in self._held.pop(key, set()) - wanted:
            del self._holders[address]
        for address in wanted:
            self._holders[address] = key
        if wanted:
            self._held[key] = wanted

    def free(self, version: int, *, internal: bool = False) -> IPAddress | None:
        """An address that nobody holds; None when there is none. One that was let go comes last."""
        for network in self._ranges[internal]:
            if network.version != version:
                continue
            size = min(network.num_addresses, 1 << 16)
            start = self._next.get(network, 0)
            for step in range(size - 2):
                offset = 1 + (start + step) % (size - 2)
                address = network[offset]
                if address not in self._holders:
                    self._next[network] = offset % (size - 2)
                    return address
        return None


def assigned(service: Object) -> tuple[IPAddress, ...]:
    """The addresses in the status of a Service."""
    ingress: Sequence[Mapping[str, str]] = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    return tuple(_addresses(each.get("ip", "") for each in ingress))


def plan(service: Object, pool: Pool) -> list[Action]:
    """The status that the Service should have, and Events when the pool cannot give what it asks for."""
    if not is_ours(service) or service.deleting:
        pool.hold(service.key, ())
        foreign = service.spec.get("type") == "LoadBalancer"
        return [] if foreign or not assigned(service) else [_write(service, ())]
    versions = [6 if family == "IPv6" else 4 for family in address_types(service)]
    has = [each for each in assigned(service) if pool.holder(each) in (None, service.key)]
    asked = _requested(service)
    internal = wants_internal(service)
    actions: list[Action] = []
    chosen: list[IPAddress] = []
    for version in versions:
        wishes = [each for each in asked if each.version == version]
        if wishes:
            address, problem = _granted(service.key, wishes[0], pool)
        else:
            kept = [each for each in has if each.version == version and pool.covers(each, internal=internal)]
            address = kept[0] if kept else pool.free(version, internal=internal)
            problem = "" if address else f"no free IPv{version} address is left in the load-balancer pool"
        if address is not None:
            chosen.append(address)
        elif problem:
            actions.append(Say("Warning", "AllocationFailed", f"Failed to allocate IP for {_name(service)}: {problem}"))
            actions.append(Again(RETRY))
    pool.hold(service.key, chosen)
    proxied = bool(listeners(service))
    modes = {entry.get("ipMode") or "VIP" for entry in (service.status.get("loadBalancer") or {}).get("ingress") or ()}
    if list(assigned(service)) == chosen and modes - {"Proxy" if proxied else "VIP"}:
        actions.append(_write(service, chosen, proxied))
    if list(assigned(service)) != chosen:
        actions.append(_write(service, chosen, proxied))
        if chosen:
            text = ", ".join(map(str, chosen))
            actions.append(Say("Normal", "IPAllocated", f"Assigned IP {text}"))
    return actions


def _granted(key: Key, wish: IPAddress, pool: Pool) -> tuple[IPAddress | None, str]:
    if not (pool.covers(wish, internal=False) or pool.covers(wish, internal=True)):
        ranges = " or ".join(str(each) for each in (*LOAD_BALANCERS, *INTERNAL_LOAD_BALANCERS))
        return None, f"{wish} is not in the pool, {ranges}"
    holder = pool.holder(wish)
    if holder not in (None, key):
        return None, f"{wish} is taken by {holder}"
    return wish, ""


def _requested(service: Object) -> list[IPAddress]:
    texts: list[str] = [service.spec.get("loadBalancerIP") or ""]
    for annotation in ADDRESSES:
        texts += service.annotations.get(annotation, "").split(",")
    return list(_addresses(texts))


def _addresses(texts: Iterable[str]) -> Iterator[IPAddress]:
    for text in texts:
        with suppress(ValueError):  # the status may hold what others wrote, a wish what the API did not check
            yield ip_address(text.strip())


def _write(service: Object, addresses: Iterable[IPAddress], proxied: bool = False) -> Patch:
    ingress: list[Raw] = [{"ip": str(each), "ipMode": "Proxy" if proxied else "VIP"} for each in addresses]
    patch: Raw = {"status": {"loadBalancer": {"ingress": ingress or None}}}
    return Patch(SERVICE, service.namespace, service.name, patch, "status")


def _name(service: Object) -> str:
    return f'"{service.namespace}/{service.name}"'
