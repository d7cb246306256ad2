"""The choice of endpoints: those that may get a packet for a frontend.

Sources: https://kubernetes.io/docs/reference/networking/virtual-ips/, KEP-1669 (terminating endpoints), KEP-2086
(internalTrafficPolicy), KEP-2433 and KEP-3015 (hints).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Literal

import msgspec

from sealane.kube.objects import Key
from sealane.network.addresses import canonical
from sealane.network.reason import Reason
from sealane.network.services.endpoints import usable
from sealane.network.services.model import Backend, Family, Frontend, ServiceModel, ServicePort
from sealane.reactive.collections import ByIndex, Collection


class Place(msgspec.Struct, frozen=True):
    """The node whose rules see the packet first, and its zone (label topology.kubernetes.io/zone)."""

    node: str
    zone: str = ""


TrafficFrom = Literal["pod", "node", "outside"]


class Selection(msgspec.Struct, frozen=True):
    """The endpoints a packet can be given to, or what happens instead, and why.

    verdict: "forward" (one of `backends`, at random), "reject" (refused at once), "drop" (silence).
    masquerade: the endpoint sees the node's address as the source. A pod that reaches itself is masqueraded as well.
    """

    verdict: Literal["forward", "reject", "drop"]
    backends: tuple[Backend, ...]
    reason: Reason
    masquerade: bool


def cluster_backends(port: ServicePort, family: Family, place: Place | None = None) -> tuple[tuple[Backend, ...], str]:
    """Endpoints under the policy Cluster, with the reason. place None: leave hints out of account.

    Ready ones; if there are none, those that still serve while they terminate (KEP-1669). Hints count only when every
    ready endpoint has one and some are meant for this place, as in kube-proxy (KEP-2433, KEP-3015).
    """
    family_backends = port.of_family(family)
    ready = tuple(backend for backend in family_backends if backend.ready)
    if not ready:
        draining = usable(family_backends)
        return (
            draining,
            "no ready endpoint; those still serving while they terminate" if draining else "no ready endpoint",
        )
    if place is not None and place.node and all(backend.nodes for backend in ready):
        near = tuple(backend for backend in ready if place.node in backend.nodes)
        if near:
            return near, f"ready endpoints hinted for node {place.node}"
    if place is not None and place.zone and all(backend.zones for backend in ready):
        near = tuple(backend for backend in ready if place.zone in backend.zones)
        if near:
            return near, f"ready endpoints hinted for zone {place.zone}"
    if place is not None and any(backend.nodes or backend.zones for backend in ready):
        where = f"zone {place.zone}" if place.zone else f"{place.node}, which has no zone label"
        return ready, f"all ready endpoints: their hints are not for {where}, or not all have one"
    return ready, "all ready endpoints"


def local_backends(port: ServicePort, family: Family, node: str) -> tuple[tuple[Backend, ...], str]:
    """Endpoints under the policy Local: those on `node` that are ready, else those still serving there (KEP-1669)."""
    here = tuple(backend for backend in port.of_family(family) if backend.node == node)
    chosen = usable(here)
    if chosen and chosen[0].ready:
        return chosen, f"ready endpoints on {node}"
    if chosen:
        return chosen, f"no ready endpoint on {node}; those still serving there while they terminate"
    return (), f"no endpoint on {node}"


def select_backends(
    service: ServiceModel, port: ServicePort, frontend: Frontend, place: Place, traffic: TrafficFrom = "pod"
) -> Selection:
    """The endpoints that `place` gives a new connection to `frontend`, as kube-proxy would.

    traffic: who sent it: a pod, a node itself, or someone outside. Source ranges are asked with `source_allowed`.
    """
    policy = service.external_policy if frontend.external else service.internal_policy
    field = "externalTrafficPolicy" if frontend.external else "internalTrafficPolicy"
    everywhere, everywhere_reason = cluster_backends(port, frontend.family, place)
    because = service.because("spec", field)
    # Pods and the node itself reach external addresses under the policy Cluster: the traffic never came from outside.
    if policy == "Cluster" or (frontend.external and traffic != "outside"):
        masquerade = traffic != "pod" or (frontend.external and policy == "Cluster")
        if everywhere:
            return Selection("forward", everywhere, Reason(everywhere_reason, port.provenance), masquerade)
        return Selection("reject", (), Reason(everywhere_reason, port.provenance), False)
    here, here_reason = local_backends(port, frontend.family, place.node)
    if here:
        reason = Reason(f"{field} is Local: {here_reason}", because)
        return Selection("forward", here, reason, not frontend.external and traffic != "pod")
    if everywhere:
        return Selection("drop", (), Reason(f"{field} is Local: {here_reason}", because), False)
    return Selection("reject", (), Reason(everywhere_reason, port.provenance), False)


def source_ranges(service: ServiceModel, family: Family) -> list[str]:
    """The loadBalancerSourceRanges that bind addresses of that family: those of the other are ignored there, and an
    address for which none are left is open to everyone, as with kube-proxy."""
    return [cidr for cidr in service.source_ranges if (":" in cidr) == (family == 6)]


def source_allowed(service: ServiceModel, frontend: Frontend, source: str) -> bool:
    """May `source` use this frontend? Only load-balancer addresses are bound by source ranges."""
    ranges = source_ranges(service, frontend.family) if frontend.kind == "LoadBalancer" else []
    address = ip_address(source)
    return not ranges or any(address in ip_network(cidr) for cidr in ranges)


def frontend_index(service: ServiceModel) -> list[tuple[str, str, int]]:
    """Index of models by (address, protocol, port); address "" for NodePorts."""
    return [(f.address, f.protocol, f.port) for port in service.ports for f in port.frontends]


def find_frontend(
    services: Collection[Key, ServiceModel], address: str, protocol: str, port: int, family: int = 0
) -> tuple[ServiceModel, ServicePort, Frontend] | None:
    """The frontend at an address and port. address "": the NodePort of that number, of `family` where that is given."""
    wanted = (canonical(address) if address else "", protocol, port)
    for service in services.select(ByIndex(frontend_index, wanted)):
        for service_port in service.ports:
            for frontend in service_port.frontends:
                if (frontend.address, frontend.protocol, frontend.port) == wanted and family in (0, frontend.family):
                    return service, service_port, frontend
    return None
