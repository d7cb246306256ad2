"""References from a route to a Service: may they, do they resolve, and which addresses stand behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sealane.kube.objects import Key
from sealane.network.routes.filters.external_auth import ExternalAuth
from sealane.network.routes.filters.mirror import Mirror
from sealane.network.routes.model.http import Backend, Use
from sealane.network.routes.model.l4 import Transport
from sealane.network.routes.model.tls import Originate
from sealane.network.routes.sources import Sources
from sealane.network.services.endpoints import endpoints_for, slice_service, usable
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Service
    from sealane.kube.shapes.core_v1 import ServicePort
    from sealane.kube.shapes.gateway_v1 import (
        GatewaySpecListenersFiltersRequestsExternalAuthBackendRef,
        GRPCRouteSpecRulesBackendRefs,
        HTTPRouteSpecRulesBackendRefs,
        TCPRouteSpecRulesBackendRefs,
    )

    BackendRef = (
        HTTPRouteSpecRulesBackendRefs
        | GRPCRouteSpecRulesBackendRefs
        | TCPRouteSpecRulesBackendRefs
        | GatewaySpecListenersFiltersRequestsExternalAuthBackendRef
    )


class BackendKey(NamedTuple):
    """A Service and one of its port numbers, as a proxy reaches it.

    use: how it is spoken to. proxy: the only one that does so in this way (with its certificate, from its pod whoever
    asks), None where all proxies are alike.
    """

    service: Key
    port: int
    use: Use = "http"
    proxy: Key | None = None


@dataclass(frozen=True, slots=True)
class BackendEndpoints:
    """The facts of a backend that a proxy needs.

    addresses: (IP, port) of its ready endpoints, sorted; when none is ready, of those that serve while they terminate.
    app_protocol: of the Service's port (KEP-3726: "kubernetes.io/h2c", "kubernetes.io/ws", …) or "".
    tls: how the proxy begins TLS with it; None without. certificate: the Secret that it shows there. problem: "" or
    why none of its endpoints may be sent to.
    """

    key: BackendKey
    addresses: tuple[tuple[str, int], ...]
    app_protocol: str = ""
    tls: Originate | None = None
    certificate: Key | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Outcome of resolving a reference. problem: "" or the reason of `ResolvedRefs: False`; message says why."""

    service: Key
    port: int
    problem: str = ""
    message: str = ""


def resolve(from_: Key, ref: BackendRef, sources: Sources, fetch: Fetch, transport: Transport = "TCP") -> Reference:
    """A Gateway API backendRef of object `from_`. transport: of the Service's port.

    Reasons: InvalidKind, RefNotPermitted, BackendNotFound (`RouteConditionReason` of the Gateway API reference).
    """
    group, kind = ref.get("group") or "", ref.get("kind") or "Service"
    namespace = ref.get("namespace") or from_.namespace
    service = Key(group, kind, namespace, ref.get("name", ""))
    port = int(ref.get("port") or 0)
    if (group, kind) != ("", "Service"):
        return Reference(
            service, port, "InvalidKind", f"{group or 'core'}/{kind} cannot be a backend, only Service can"
        )
    if namespace != from_.namespace and not permitted(from_, service, sources, fetch):
        return Reference(
            service, port, "RefNotPermitted", f"no ReferenceGrant in {namespace} lets {from_} refer to {service}"
        )
    return find(service, port, sources, fetch, transport)


def find(service: Key, port: int | str, sources: Sources, fetch: Fetch, transport: Transport = "TCP") -> Reference:
    """The Service and its port, given by number or name. Problem: BackendNotFound."""
    found = fetch.get(sources.services, service)
    number = port if isinstance(port, int) else 0
    if found is None:
        return Reference(service, number, "BackendNotFound", f"{service} does not exist")
    entry = port_entry(found, port, transport)
    if entry is None:
        ports = found.spec.get("ports") or ()
        known = ", ".join(f"{item.get('port')}{_unlike(item, transport)}" for item in ports) or "none"
        what = "UDP port" if transport == "UDP" else "port"
        text = f"{service} has no {what} {port or '(unset)'}, it has: {known}"
        return Reference(service, number, "BackendNotFound", text)
    return Reference(service, int(entry["port"]))


def _unlike(entry: ServicePort, transport: Transport) -> str:
    """ "/UDP" of a port that is not one of `transport`."""
    protocol = entry.get("protocol", "TCP")
    return "" if protocol == transport else f"/{protocol}"


def port_entry(service: Service, port: int | str, transport: Transport = "TCP") -> ServicePort | None:
    """The entry of spec.ports with this number or name."""
    for entry in service.spec.get("ports") or ():
        known = entry.get("port") if isinstance(port, int) else entry.get("name")
        if known == port and entry.get("protocol", "TCP") == transport:
            return entry
    return None


def permitted(from_: Key, to: Key, sources: Sources, fetch: Fetch) -> bool:
    """Whether a ReferenceGrant in `to`'s namespace allows the reference.

    https://gateway-api.sigs.k8s.io/reference/spec/#referencegrant
    """
    for grant in fetch(sources.reference_grants, namespace=to.namespace):
        froms = grant.spec.get("from") or ()
        tos = grant.spec.get("to") or ()
        if any(
            (item.get("group", ""), item.get("kind"), item.get("namespace"))
            == (from_.group, from_.kind, from_.namespace)
            for item in froms
        ) and any(
            (item.get("group", ""), item.get("kind")) == (to.group, to.kind) and item.get("name") in (None, "", to.name)
            for item in tos
        ):
            return True
    return False


def of_backend(backend: Backend, proxy: Key | None = None) -> BackendKey:
    """proxy: the only one that reaches it in this way."""
    return BackendKey(backend.service, backend.port, backend.use, proxy)


def of_mirror(mirror: Mirror | ExternalAuth, proxy: Key) -> BackendKey:
    """A copy, or what the proxy itself asks, has no connection of its own, from which its pod could be known."""
    return BackendKey(mirror.service, mirror.port, mirror.use, proxy)


def endpoints(key: BackendKey, sources: Sources, fetch: Fetch) -> BackendEndpoints:
    """Addresses behind a Service port, from its EndpointSlices in the Service's first address family; of both families
    for datagrams, which nobody takes and gives to another.

    Ready endpoints; when there are none, those still serving while they terminate (KEP-1669).
    """
    service = fetch.get(sources.services, key.service)
    transport: Transport = "UDP" if key.use == "udp" else "TCP"
    entry = port_entry(service, key.port, transport) if service is not None else None
    if service is None or entry is None:
        return BackendEndpoints(key, ())
    slices = fetch(sources.endpoint_slices, index=slice_service, value=(key.service.namespace, key.service.name))
    found = endpoints_for(slices, entry.get("name") or "", transport)
    protocol = entry.get("appProtocol") or ""
    if key.use == "udp":
        both = (usable([each for each in found if each.family == family]) for family in (4, 6))
        return BackendEndpoints(key, tuple(sorted((each.address, each.port) for one in both for each in one)))
    for family in (*(service.spec.get("ipFamilies") or ()), "IPv4", "IPv6"):
        chosen = usable([each for each in found if each.family == (6 if family == "IPv6" else 4)])
        if chosen:
            return BackendEndpoints(key, tuple(sorted((each.address, each.port) for each in chosen)), protocol)
    return BackendEndpoints(key, (), protocol)
