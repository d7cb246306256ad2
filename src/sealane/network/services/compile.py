"""From Service and EndpointSlices to the Service model.

Sources: the Service and EndpointSlice API reference (v1), KEP-1672 (conditions), KEP-1860 (ipMode).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from sealane.kube.objects import Key, Object
from sealane.network.addresses import canonical
from sealane.network.provenance import Provenance
from sealane.network.services.model import Backend, Family, Frontend, Protocol, ServiceModel, ServicePort
from sealane.reactive.collections import Collection, Derived, Fetch, derive

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
DEFAULT_AFFINITY_SECONDS = 10800


def slice_service(slice_: Object) -> tuple[tuple[str, str], ...]:
    """Index of EndpointSlices by (namespace, Service name)."""
    name = slice_.labels.get(SERVICE_NAME_LABEL)
    return ((slice_.namespace, name),) if name else ()


def claimed_addresses(service: Object) -> tuple[str, ...]:
    """Index of Services by the external addresses they claim: externalIPs and load-balancer addresses."""
    spec = service.spec
    ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    claimed: list[str] = []
    for address in (*(spec.get("externalIPs") or ()), *_lb_addresses(ingress)):
        with suppress(ValueError):  # an index must not fail; the model of that Service will
            claimed.append(canonical(address))
    return tuple(claimed)


def derive_services(
    services: Collection[Key, Object], slices: Collection[Key, Object]
) -> Derived[Key, Object, Key, ServiceModel]:
    """The model of every Service. Two Services that claim one external address and port: the older keeps it."""

    def model(_key: Key, service: Object, fetch: Fetch) -> ServiceModel:
        own = fetch(slices, index=slice_service, value=(service.namespace, service.name))
        rivals = [
            rival
            for address in claimed_addresses(service)
            for rival in fetch(services, index=claimed_addresses, value=address)
            if _seniority(rival) < _seniority(service)
        ]
        return service_model(service, own, rivals)

    return derive("services", services, model)


def service_model(service: Object, slices: Sequence[Object], rivals: Sequence[Object] = ()) -> ServiceModel:
    """`service` with its EndpointSlices. rivals: older Services that claim one of its external addresses."""
    spec = service.spec
    kind: str = spec.get("type") or "ClusterIP"
    cluster_ip = spec.get("clusterIP") or ""
    headless = kind != "ExternalName" and cluster_ip == "None"
    plain = kind == "ExternalName" or headless
    taken = {(f.address, f.protocol, f.port): rival.key for rival in rivals for f in _external_frontends(rival)}
    shadowed: list[tuple[Frontend, Key]] = []
    ports: list[ServicePort] = []
    for index, port in enumerate(spec.get("ports") or ()):
        name: str = port.get("name") or ""
        protocol = _protocol(port)
        frontends: list[Frontend] = []
        for frontend in () if plain else _frontends(service, index, port):
            rival = taken.get((frontend.address, frontend.protocol, frontend.port))
            if rival is not None and frontend.address:
                shadowed.append((frontend, rival))
            else:
                frontends.append(frontend)
        ports.append(
            ServicePort(
                name,
                int(port["port"]),
                protocol,
                tuple(frontends),
                tuple(_backends(slices, name, protocol)),
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
        headless,
        spec.get("externalName") or "" if kind == "ExternalName" else "",
        tuple(ports),
        spec.get("internalTrafficPolicy") or "Cluster",
        (spec.get("externalTrafficPolicy") or "Cluster") if external else "Cluster",
        affinity,
        tuple(str(ip_network(cidr.strip(), strict=False)) for cidr in spec.get("loadBalancerSourceRanges") or ()),
        spec.get("healthCheckNodePort"),
        tuple(shadowed),
    )


def _seniority(service: Object) -> tuple[str, Key]:
    return service.metadata.get("creationTimestamp") or "", service.key


def _lb_addresses(ingress: Iterable[Mapping[str, Any]]) -> list[str]:
    # ipMode Proxy: the load balancer sends to the nodes' own addresses, so nodes must not answer for it (KEP-1860).
    return [entry["ip"] for entry in ingress if entry.get("ip") and entry.get("ipMode") != "Proxy"]


def _frontends(service: Object, index: int, port: Mapping[str, Any]) -> Iterable[Frontend]:
    spec, key = service.spec, service.key
    number, protocol = int(port["port"]), _protocol(port)
    cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP")]
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
    yield from _external_frontends(service, (port,))


def _external_frontends(service: Object, ports: Sequence[Mapping[str, Any]] | None = None) -> Iterable[Frontend]:
    """Load-balancer and external addresses, of all ports or of those given."""
    spec, key = service.spec, service.key
    for port in spec.get("ports") or () if ports is None else ports:
        number, protocol = int(port["port"]), _protocol(port)
        if spec.get("type") == "LoadBalancer":
            ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
            for position, entry in enumerate(ingress):
                if _lb_addresses((entry,)):
                    address = canonical(entry["ip"])
                    why = Provenance(key, ("status", "loadBalancer", "ingress", position, "ip"))
                    yield Frontend("LoadBalancer", _family(address), address, number, protocol, why)
        for position, given in enumerate(spec.get("externalIPs") or ()):
            address = canonical(given)
            why = Provenance(key, ("spec", "externalIPs", position))
            yield Frontend("ExternalIP", _family(address), address, number, protocol, why)


def _backends(slices: Sequence[Object], port_name: str, protocol: str) -> Iterable[Backend]:
    """Endpoints of all slices for one Service port. One that two slices name counts once, ready if either says so."""
    found: dict[tuple[str, int], Backend] = {}
    for slice_ in slices:
        raw = slice_.raw
        family: Family = 6 if raw.get("addressType") == "IPv6" else 4
        if raw.get("addressType") == "FQDN":
            continue
        number = _slice_port(raw.get("ports") or (), port_name, protocol)
        if number is None:
            continue
        for index, endpoint in enumerate(raw.get("endpoints") or ()):
            addresses = endpoint.get("addresses")
            if not addresses:
                continue
            # "No semantics are defined for additional addresses beyond the first" (EndpointSlice v1 reference).
            address = canonical(addresses[0])
            known = found.get((address, number))
            if known is None or (not known.ready and (endpoint.get("conditions") or {}).get("ready") is not False):
                found[address, number] = _backend(slice_.key, index, endpoint, address, number, family)
    return found.values()


def _backend(slice_: Key, index: int, endpoint: Mapping[str, Any], address: str, port: int, family: Family) -> Backend:
    conditions = endpoint.get("conditions") or {}
    # Unset means: ready true, serving as ready, terminating false (EndpointConditions, v1 reference).
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    hints = endpoint.get("hints") or {}
    target = endpoint.get("targetRef") or {}
    return Backend(
        address,
        port,
        family,
        endpoint.get("nodeName") or "",
        ready,
        ready if serving is None else bool(serving),
        bool(conditions.get("terminating")),
        tuple(hint["name"] for hint in hints.get("forNodes") or ()),
        tuple(hint["name"] for hint in hints.get("forZones") or ()),
        Key("", "Pod", target.get("namespace") or slice_.namespace, target["name"])
        if target.get("kind") == "Pod" and target.get("name")
        else None,
        Provenance(slice_, ("endpoints", index)),
    )


def _slice_port(ports: Iterable[Mapping[str, Any]], name: str, protocol: str) -> int | None:
    for port in ports:
        if (port.get("name") or "") == name and (port.get("protocol") or "TCP") == protocol and port.get("port"):
            return int(port["port"])
    return None


def _family(address: str) -> Family:
    return 6 if ":" in address else 4


def _protocol(port: Mapping[str, Any]) -> Protocol:
    return port.get("protocol") or "TCP"
