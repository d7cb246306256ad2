"""EndpointSlices read: the endpoints behind one port of a Service, for packets, for proxies and for DNS.

Sources: the EndpointSlice v1 API reference; KEP-1672 (ready, serving, terminating), KEP-1669 (those that still serve
while they terminate), pkg/proxy/endpointslicecache.go and topology.go of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sealane.kube.objects import Key
from sealane.network.addresses import canonical
from sealane.network.provenance import Provenance
from sealane.network.services.model import Backend, Family

if TYPE_CHECKING:
    from sealane.kube.shapes import EndpointSlice
    from sealane.kube.shapes.discovery_v1 import Endpoint, EndpointPort

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


def slice_service(slice_: EndpointSlice) -> tuple[tuple[str, str], ...]:
    """Index of EndpointSlices by (namespace, Service name)."""
    name = slice_.labels.get(SERVICE_NAME_LABEL)
    return ((slice_.namespace, name),) if name else ()


class Conditions(NamedTuple):
    """Of an endpoint, with what unset ones mean."""

    ready: bool
    serving: bool
    terminating: bool


def conditions(endpoint: Endpoint) -> Conditions:
    """Unset means: ready true, serving as ready, terminating false (EndpointConditions, v1 reference)."""
    given = endpoint.get("conditions") or {}
    ready = given.get("ready") is not False
    serving = given.get("serving")
    return Conditions(ready, ready if serving is None else bool(serving), bool(given.get("terminating")))


def is_ready(slices: Iterable[EndpointSlice]) -> bool:
    """Has any of these slices a ready endpoint?"""
    return any(conditions(each).ready for slice_ in slices for each in slice_.raw.get("endpoints") or ())


def endpoints_for(slices: Iterable[EndpointSlice], port_name: str, protocol: str) -> tuple[Backend, ...]:
    """Endpoints of all slices for one Service port. One that two slices name counts once, ready if either says so.

    Slices of names (FQDN), and those without a port of that name and protocol or with its number unset, have none.
    """
    found: dict[tuple[str, int], Backend] = {}
    for slice_ in slices:
        raw = slice_.raw
        if raw.get("addressType") == "FQDN":
            continue
        family: Family = 6 if raw.get("addressType") == "IPv6" else 4
        number = _number(raw.get("ports") or (), port_name, protocol)
        if number is None:
            continue
        for index, endpoint in enumerate(raw.get("endpoints") or ()):
            addresses = endpoint.get("addresses")
            if not addresses:
                continue
            # "No semantics are defined for additional addresses beyond the first" (EndpointSlice v1 reference).
            address = canonical(addresses[0])
            known = found.get((address, number))
            if known is None or (not known.ready and conditions(endpoint).ready):
                found[address, number] = _backend(slice_.key, index, endpoint, address, number, family)
    return tuple(found.values())


def usable(backends: Sequence[Backend]) -> tuple[Backend, ...]:
    """The ready ones; when there are none, those that still serve while they terminate (KEP-1669)."""
    ready = tuple(backend for backend in backends if backend.ready)
    return ready or tuple(backend for backend in backends if backend.serving and backend.terminating)


def _backend(slice_: Key, index: int, endpoint: Endpoint, address: str, port: int, family: Family) -> Backend:
    hints = endpoint.get("hints") or {}
    target = endpoint.get("targetRef") or {}
    return Backend(
        address,
        port,
        family,
        endpoint.get("nodeName") or "",
        *conditions(endpoint),
        tuple(hint["name"] for hint in hints.get("forNodes") or ()),
        tuple(hint["name"] for hint in hints.get("forZones") or ()),
        Key("", "Pod", target.get("namespace") or slice_.namespace, target["name"])
        if target.get("kind") == "Pod" and target.get("name")
        else None,
        Provenance(slice_, ("endpoints", index)),
    )


def _number(ports: Iterable[EndpointPort], name: str, protocol: str) -> int | None:
    for port in ports:
        if (port.get("name") or "") == name and (port.get("protocol") or "TCP") == protocol and port.get("port"):
            return int(port["port"])
    return None
