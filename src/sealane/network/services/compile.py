"""From Service and EndpointSlices to the Service model.

Sources: the Service and EndpointSlice API reference (v1), KEP-1672 (conditions), KEP-1860 (ipMode).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING

import msgspec

from sealane.kube.objects import Key
from sealane.network.addresses import canonical
from sealane.network.provenance import Provenance
from sealane.network.services.annotations import annotated_ranges
from sealane.network.services.endpoints import endpoints_for, slice_service
from sealane.network.services.model import Family, Frontend, Protocol, ServiceModel, ServicePort
from sealane.reactive.collections import Collection, Derived, Fetch, derive

if TYPE_CHECKING:
    from sealane.kube.shapes import EndpointSlice, Service, core_v1

DEFAULT_AFFINITY_SECONDS = 10800


class Claims(msgspec.Struct, frozen=True):
    """The frontends a Service asks for, by port. Of Services that ask for the same, the oldest gets it."""

    key: Key
    created: str
    frontends: tuple[tuple[Frontend, ...], ...]


def frontend_claims(claims: Claims) -> list[tuple[str, str, int]]:
    """Index of claims by (address, protocol, port); address "" for NodePorts."""
    return [(f.address, f.protocol, f.port) for frontends in claims.frontends for f in frontends]


def derive_services(
    services: Collection[Key, Service], slices: Collection[Key, EndpointSlice]
) -> Derived[Key, Service, Key, ServiceModel]:
    """The model of every Service. Two Services that claim one address, protocol and port: the older keeps it."""
    claims: Collection[Key, Claims] = derive("service-claims", services, lambda _key, service, _fetch: claim(service))

    def model(key: Key, service: Service, fetch: Fetch) -> ServiceModel | None:
        own = fetch.get(claims, key)
        if own is None:
            return None
        endpoints = fetch(slices, index=slice_service, value=(key.namespace, key.name))
        older = {
            claimed: rival.key
            for claimed in frontend_claims(own)
            for rival in fetch(claims, index=frontend_claims, value=claimed)
            if (rival.created, rival.key) < (own.created, key)
        }
        return _model(service, own, endpoints, older)

    return derive("service-models", services, model)


def service_model(service: Service, slices: Sequence[EndpointSlice]) -> ServiceModel:
    """`service` with its EndpointSlices, as if there were no other Service."""
    return _model(service, claim(service), slices, {})


def claim(service: Service) -> Claims:
    """Raises ValueError for an address that cannot be read."""
    spec = service.spec
    plain = spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
    return Claims(
        service.key,
        service.metadata.get("creationTimestamp") or "",
        tuple(
            () if plain else tuple(_frontends(service, index, port))
            for index, port in enumerate(spec.get("ports") or ())
        ),
    )


def _model(
    service: Service, claims: Claims, slices: Sequence[EndpointSlice], older: Mapping[tuple[str, str, int], Key]
) -> ServiceModel:
    spec = service.spec
    kind: str = spec.get("type") or "ClusterIP"
    shadowed: list[tuple[Frontend, Key]] = []
    ports: list[ServicePort] = []
    for index, port in enumerate(spec.get("ports") or ()):
        name: str = port.get("name") or ""
        protocol = _protocol(port)
        frontends = claims.frontends[index]
        if older:
            rivals = [(f, older.get((f.address, f.protocol, f.port))) for f in frontends]
            shadowed += [(frontend, rival) for frontend, rival in rivals if rival is not None]
            frontends = tuple(frontend for frontend, rival in rivals if rival is None)
        ports.append(
            ServicePort(
                name,
                int(port["port"]),
                protocol,
                frontends,
                endpoints_for(slices, name, protocol),
                Provenance(service.key, ("spec", "ports", index)),
            )
        )
    external = kind in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))
    affinity = None
    if spec.get("sessionAffinity") == "ClientIP":
        client_ip = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        affinity = int(client_ip.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS)
    return ServiceModel(
        service.key,
        kind,
        kind != "ExternalName" and spec.get("clusterIP") == "None",
        spec.get("externalName") or "" if kind == "ExternalName" else "",
        tuple(ports),
        spec.get("internalTrafficPolicy") or "Cluster",
        (spec.get("externalTrafficPolicy") or "Cluster") if external else "Cluster",
        affinity,
        tuple(str(ip_network(cidr.strip(), strict=False)) for cidr in spec.get("loadBalancerSourceRanges") or ())
        or tuple(annotated_ranges(service)),
        spec.get("healthCheckNodePort"),
        tuple(shadowed),
        _proxied(service) if kind == "LoadBalancer" else (),
    )


def _proxied(service: Service) -> tuple[str, ...]:
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    return tuple(canonical(each["ip"]) for each in ingress if each.get("ip") and each.get("ipMode") == "Proxy")


def _frontends(service: Service, index: int, port: core_v1.ServicePort) -> Iterable[Frontend]:
    spec, key = service.spec, service.key
    number, protocol = int(port["port"]), _protocol(port)
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    families: list[Family] = []
    for position, address in enumerate(cluster_ips):
        if not address or address == "None":
            continue
        family = _family(address)
        families.append(family)
        path = ("spec", "clusterIPs", position) if spec.get("clusterIPs") else ("spec", "clusterIP")
        yield Frontend("ClusterIP", family, canonical(address), number, protocol, Provenance(key, path))
    if not families:
        families = [6 if name == "IPv6" else 4 for name in spec.get("ipFamilies") or ("IPv4",)]
    node_port = port.get("nodePort")
    if node_port and spec.get("type") in ("NodePort", "LoadBalancer"):
        for family in families:
            why = Provenance(key, ("spec", "ports", index, "nodePort"))
            yield Frontend("NodePort", family, "", int(node_port), protocol, why)
    if spec.get("type") == "LoadBalancer":
        for position, entry in enumerate((service.status.get("loadBalancer") or {}).get("ingress") or ()):
            # ipMode Proxy: the load balancer sends to the nodes' own addresses: nodes must not answer here (KEP-1860).
            if entry.get("ip") and entry.get("ipMode") != "Proxy":
                address = canonical(entry["ip"])
                why = Provenance(key, ("status", "loadBalancer", "ingress", position, "ip"))
                yield Frontend("LoadBalancer", _family(address), address, number, protocol, why)
    for position, given in enumerate(spec.get("externalIPs") or ()):
        address = canonical(given)
        why = Provenance(key, ("spec", "externalIPs", position))
        yield Frontend("ExternalIP", _family(address), address, number, protocol, why)


def _family(address: str) -> Family:
    return 6 if ":" in address else 4


def _protocol(port: core_v1.ServicePort) -> Protocol:
    return port.get("protocol") or "TCP"
