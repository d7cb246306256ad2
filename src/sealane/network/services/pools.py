"""Load-balancer addresses: the address of the pool that each Service of type LoadBalancer gets.

The same as a cloud's controller or MetalLB:
https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
An address that a Service has is kept, also over restarts, because the status holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from sealane.kube.objects import Key, Raw
from sealane.network.addresses import INTERNAL_LOAD_BALANCERS, LOAD_BALANCERS, IPAddress, IPNetwork
from sealane.network.services.annotations import ADDRESSES, wants_internal
from sealane.network.services.listeners import listeners
from sealane.network.services.slices import address_types

if TYPE_CHECKING:
    from sealane.kube.shapes import Service


class Pool:
    """The Service that holds each address. Addresses that end in .0 or are the last of the range are not given out."""

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
        """A free address; None when there is none. One that was let go comes last."""
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


def assigned(service: Service) -> tuple[IPAddress, ...]:
    """The addresses in the status of a Service."""
    entries = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    return tuple(_addresses(each.get("ip", "") for each in entries))


class Assignment(msgspec.Struct, frozen=True):
    """The addresses that a Service gets, and why it does not get others."""

    addresses: tuple[IPAddress, ...]
    problems: tuple[str, ...]


def assign(service: Service, pool: Pool) -> Assignment:
    """The addresses of the pool that a Service of type LoadBalancer gets; the pool holds them from now on."""
    versions = [6 if family == "IPv6" else 4 for family in address_types(service)]
    has = [each for each in assigned(service) if pool.holder(each) in (None, service.key)]
    asked = _requested(service)
    internal = wants_internal(service)
    problems: list[str] = []
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
            problems.append(problem)
    pool.hold(service.key, chosen)
    return Assignment(tuple(chosen), tuple(problems))


def ingress(service: Service, addresses: Iterable[IPAddress]) -> list[Raw]:
    """status.loadBalancer.ingress of a Service with these addresses (ipMode: KEP-1860)."""
    mode = "Proxy" if listeners(service) else "VIP"
    return [{"ip": str(each), "ipMode": mode} for each in addresses]


def _granted(key: Key, wish: IPAddress, pool: Pool) -> tuple[IPAddress | None, str]:
    if not (pool.covers(wish, internal=False) or pool.covers(wish, internal=True)):
        ranges = " or ".join(str(each) for each in (*LOAD_BALANCERS, *INTERNAL_LOAD_BALANCERS))
        return None, f"{wish} is not in the pool, {ranges}"
    holder = pool.holder(wish)
    if holder not in (None, key):
        return None, f"{wish} is taken by {holder}"
    return wish, ""


def _requested(service: Service) -> list[IPAddress]:
    texts: list[str] = [service.spec.get("loadBalancerIP") or ""]
    for annotation in ADDRESSES:
        texts += service.annotations.get(annotation, "").split(",")
    return list(_addresses(texts))


def _addresses(texts: Iterable[str]) -> Iterator[IPAddress]:
    for text in texts:
        with suppress(ValueError):  # the status may hold what others wrote, a wish what the API did not check
            yield ip_address(text.strip())
