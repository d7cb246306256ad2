"""All derived collections of routing, from objects to virtual hosts, backends and statuses.

    Secret, ConfigMap ─► certificates
                              ▼
    GatewayClass, Gateway, ListenerSet ─► listeners ─┐
    HTTPRoute, GRPCRoute ─► routes ──────────────────┼─► hosts ─► backends
    IngressClass, Ingress ─► ingresses ──────────────┘               ▲
    TLSRoute, TCPRoute, UDPRoute ─► routes ─► streams ───────────────┘

One route among many costs what its own hosts cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sealane.kube.objects import Key, Object
from sealane.network.certificates.authorities import Authority, authority_of
from sealane.network.certificates.pairs import Pair, pair_of
from sealane.network.routes import backends, proxies
from sealane.network.routes.backends import BackendEndpoints, BackendKey
from sealane.network.routes.certificates import Certificates
from sealane.network.routes.gateway_api import (
    backend_tls,
    contests,
    frontend_tls,
    grpcroute,
    httproute,
    l4route,
    status,
)
from sealane.network.routes.gateway_api import listeners as gateway
from sealane.network.routes.gateway_api.attachment import BoundRoute
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.ingress import classes, ingress
from sealane.network.routes.ingress import status as ingress_status
from sealane.network.routes.ingress import tls as ingress_tls
from sealane.network.routes.ingress.bound import BoundIngress
from sealane.network.routes.model.http import Forward, HostKey, Rule, VirtualHost, virtual_host
from sealane.network.routes.model.l4 import INGRESS_PROXY, SPEECH, OpenPort, PortKey, transport
from sealane.network.routes.model.streams import Stream, StreamKey
from sealane.network.routes.model.tls import CertificateRef, Chain
from sealane.network.routes.proxies import ProxyPod
from sealane.network.routes.published import Status
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Change, Collection, Fetch, derive, derive_many
from sealane.reactive.groups import Members, group
from sealane.reactive.objects import Objects

if TYPE_CHECKING:
    from sealane.kube.shapes import BackendTLSPolicy, Gateway, Ingress, ListenerSet


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing model of a cluster, kept current.

    routes: of the Gateway API, by kind. hosts: the input of `evaluate.evaluate`. streams: what passes through as it is.
    ports: the listeners of proxies. backends: those that a rule or a stream names.
    attached: number of routes at each listener. named: the Secrets and ConfigMaps with certificates that somebody of
    ours names, there or not; certificates: what is in them, good or bad.
    statuses: the status that each object should have, by kind.
    """

    sources: Sources
    listeners: Collection[ListenerKey, GatewayListener]
    routes: Mapping[str, Collection[Key, BoundRoute]]
    ingresses: Collection[Key, BoundIngress]
    hosts: Collection[HostKey, VirtualHost]
    streams: Collection[StreamKey, Stream]
    ports: Collection[PortKey, OpenPort]
    backends: Collection[BackendKey, BackendEndpoints]
    pods: Collection[Key, ProxyPod]
    attached: Collection[ListenerKey, int]
    named: Collection[Key, bool]
    certificates: Certificates
    statuses: Mapping[str, Collection[Key, Status]]

    @property
    def pairs(self) -> Collection[Key, Pair]:
        """Certificates with their keys."""
        return self.certificates.pairs


def routing(sources: Sources) -> Routing:
    named = _named(sources)
    certificates = Certificates(
        derive("routes.pairs", named, lambda key, _named, fetch: _pair(key, sources, fetch)),
        derive("routes.authorities", named, lambda key, _named, fetch: _authority(key, sources, fetch)),
    )
    listeners = derive_many(
        "routes.listeners",
        sources.gateways,
        lambda _key, item, fetch: gateway.listeners(item, sources, certificates, fetch),
    )
    identities = derive(
        "routes.identities",
        sources.gateways,
        lambda _key, item, fetch: backend_tls.identity(item, sources, certificates, fetch),
    )
    routes = _routes(sources, listeners)
    of_routes = list(routes.values())
    ingresses = derive(
        "routes.ingresses",
        sources.ingresses,
        lambda _key, item, fetch: ingress.bind(item, sources, certificates.pairs, fetch),
    )
    default: Collection[bool, Rule] = group(
        "routes.default", [(ingresses, _with_default)], lambda _key, found: ingress.oldest_default(found)
    )
    entered: Collection[HostKey, tuple[Rule, ...]] = group(
        "routes.entered",
        [
            (listeners, gateway.own_hosts),
            *((each, _hosts_of_route) for each in of_routes),
            (ingresses, ingress.entered_hosts),
        ],
        _rules,
    )

    def host(key: HostKey, rules: tuple[Rule, ...], fetch: Fetch) -> VirtualHost:
        shown = fetch.get(identities, key.proxy)
        found = virtual_host(key, rules, shown.secret if shown is not None and shown.problem is None else None)
        if key.proxy == INGRESS_PROXY:
            last = fetch.get(default, True)
            if last is not None:
                return replace(found, rules=(*found.rules, last))
        return found

    hosts = derive("routes.hosts", entered, host)
    streams: Collection[StreamKey, Stream] = group(
        "routes.streams", [(each, _places_of_route) for each in of_routes], _oldest
    )
    policies = derive(
        "routes.backend_policies",
        sources.backend_tls_policies,
        lambda _key, item, fetch: backend_tls.compile_policy(item, sources, certificates, fetch),
    )
    used: Collection[BackendKey, bool] = group(
        "routes.used", [(hosts, used_backends), (streams, stream_backends)], lambda _key, _hosts: True
    )
    reached: Collection[tuple[Key, Key], tuple[Key, Key]] = group(
        "routes.reached", [(hosts, _services_of_host), (streams, _services_of_stream)], lambda key, _hosts: key
    )

    def backend(key: BackendKey, _used: bool, fetch: Fetch) -> BackendEndpoints:
        shown = fetch.get(identities, key.proxy) if key.proxy is not None else None
        found = backends.endpoints(key, sources, fetch)
        return backend_tls.secured(found, shown, policies, sources, fetch)

    attached: Collection[ListenerKey, int] = group(
        "routes.attached", [(each, _listeners_of_route) for each in of_routes], lambda _key, found: len(found)
    )
    return Routing(
        sources,
        listeners,
        routes,
        ingresses,
        hosts,
        streams,
        _ports(listeners, ingresses),
        derive("routes.backends", used, backend),
        derive("routes.pods", sources.pods, lambda _key, pod, _fetch: proxies.proxy_pod(pod)),
        attached,
        named,
        certificates,
        {
            **status.statuses(status.Known(sources, listeners, routes, attached, identities, policies, reached)),
            "Ingress": ingress_status.statuses(sources),
        },
    )


def _routes(
    sources: Sources, listeners: Collection[ListenerKey, GatewayListener]
) -> Mapping[str, Collection[Key, BoundRoute]]:
    refused = contests.refused(sources, listeners)
    return {
        "HTTPRoute": derive(
            "routes.http",
            sources.http_routes,
            lambda _key, item, fetch: httproute.bind(item, sources, listeners, refused, fetch),
        ),
        "GRPCRoute": derive(
            "routes.grpc",
            sources.grpc_routes,
            lambda _key, item, fetch: grpcroute.bind(item, sources, listeners, refused, fetch),
        ),
        "TLSRoute": derive(
            "routes.tls", sources.tls_routes, lambda _key, item, fetch: l4route.bind(item, sources, listeners, fetch)
        ),
        "TCPRoute": derive(
            "routes.tcp", sources.tcp_routes, lambda _key, item, fetch: l4route.bind(item, sources, listeners, fetch)
        ),
        "UDPRoute": derive(
            "routes.udp", sources.udp_routes, lambda _key, item, fetch: l4route.bind(item, sources, listeners, fetch)
        ),
    }


def _named(sources: Sources) -> Collection[Key, bool]:
    """The Secrets and ConfigMaps with certificates that Gateways and Ingresses of ours and policies name. The first
    Secret among them is when Secrets are asked for."""

    def of_gateway(_key: Key, item: Gateway, fetch: Fetch) -> tuple[Key, ...] | None:
        ours = gateway.is_ours(fetch.get(sources.gateway_classes, gateway.class_key(item)))
        return (_holders(frontend_tls.named_by_gateway(item)) or None) if ours else None

    def of_set(_key: Key, item: ListenerSet, fetch: Fetch) -> tuple[Key, ...] | None:
        parent = fetch.get(sources.gateways, gateway.parent_of(item)[0])
        ours = parent is not None and gateway.is_ours(fetch.get(sources.gateway_classes, gateway.class_key(parent)))
        return (_holders(frontend_tls.named_by_listeners(item)) or None) if ours else None

    def of_ingress(_key: Key, item: Ingress, fetch: Fetch) -> tuple[Key, ...] | None:
        served = classes.class_of(item, sources, fetch)
        return (ingress_tls.named_by(item, served) or None) if served is not None else None

    def of_policy(_key: Key, item: BackendTLSPolicy, _fetch: Fetch) -> tuple[Key, ...] | None:
        return _holders(backend_tls.named_by_policy(item)) or None

    named: Collection[Key, bool] = group(
        "routes.named",
        [
            (derive("routes.named_by_gateways", sources.gateways, of_gateway), tuple),
            (derive("routes.named_by_sets", sources.listener_sets, of_set), tuple),
            (derive("routes.named_by_policies", sources.backend_tls_policies, of_policy), tuple),
            (derive("routes.named_by_ingresses", sources.ingresses, of_ingress), tuple),
        ],
        lambda _key, _owners: True,
    )

    def ask(_changes: Sequence[Change[Key, bool]]) -> None:
        if any(key.kind == "Secret" for key in named):
            sources.ask_for_secrets()

    named.subscribe(ask)
    return named


def _holders(keys: Iterable[Key]) -> tuple[Key, ...]:
    return tuple(dict.fromkeys(key for key in keys if not key.group and key.kind in ("Secret", "ConfigMap")))


def _pair(key: Key, sources: Sources, fetch: Fetch) -> Pair | None:
    secret = fetch.get(sources.secrets, key) if key.kind == "Secret" else None
    return pair_of(secret) if secret is not None else None


def _authority(key: Key, sources: Sources, fetch: Fetch) -> Authority | None:
    holder: Object | None
    holder = fetch.get(sources.secrets, key) if key.kind == "Secret" else fetch.get(sources.config_maps, key)
    return authority_of(holder) if holder is not None else None


def routing_of(objects: Iterable[Object]) -> Routing:
    """The routing model of some manifests."""
    return routing(Sources.of(Objects.of(objects)))


def _rules(key: HostKey, members: Members[GatewayListener | BoundRoute | BoundIngress]) -> tuple[Rule, ...]:
    found: list[Rule] = []
    ingresses: list[BoundIngress] = []
    for member in members:
        if isinstance(member, BoundRoute):
            found += member.rules
        elif isinstance(member, BoundIngress):
            ingresses.append(member)
    return (*found, *ingress.rules_at(key, ingresses))


def used_backends(host: VirtualHost) -> set[BackendKey]:
    """Index of virtual hosts by the backends they send requests to."""
    found: set[BackendKey] = set()
    proxy = host.key.proxy if host.shows is not None else None
    for rule in host.rules:
        if rule.auth is not None:
            found.add(backends.of_mirror(rule.auth, host.key.proxy))
        if isinstance(rule.action, Forward):
            found.update(backends.of_backend(item, proxy) for item in rule.action.backends if not item.problem)
            found.update(backends.of_mirror(item, host.key.proxy) for item in rule.action.mirrors)
    return found


def stream_backends(stream: Stream) -> set[BackendKey]:
    """Index of streams by the backends they go to."""
    return {backends.of_backend(item) for item in stream.backends if not item.problem}


def _services_of_host(host: VirtualHost) -> set[tuple[Key, Key]]:
    """Index of virtual hosts by Service and proxy."""
    return {(key.service, host.key.proxy) for key in used_backends(host)}


def _services_of_stream(stream: Stream) -> set[tuple[Key, Key]]:
    return {(key.service, stream.key.proxy) for key in stream_backends(stream)}


def _hosts_of_route(route: BoundRoute) -> tuple[HostKey, ...]:
    return route.hosts


def _places_of_route(route: BoundRoute) -> tuple[StreamKey, ...]:
    return tuple(stream.key for stream in route.streams)


def _oldest(key: StreamKey, members: Members[BoundRoute]) -> Stream:
    return min(
        (stream for route in members for stream in route.streams if stream.key == key), key=lambda stream: stream.age
    )


def _listeners_of_route(route: BoundRoute) -> tuple[ListenerKey, ...]:
    return route.listeners


def _with_default(item: BoundIngress) -> tuple[bool, ...]:
    return (True,) if item.default is not None else ()


def _port_of_listener(item: GatewayListener) -> tuple[PortKey, ...]:
    served = item.listener
    return (PortKey(served.proxy, served.port, transport(served.protocol)),) if served is not None else ()


def _ports(
    listeners: Collection[ListenerKey, GatewayListener], ingresses: Collection[Key, BoundIngress]
) -> Collection[PortKey, OpenPort]:
    """One Ingress among many costs what its own certificates cost."""
    opened: Collection[PortKey, PortKey] = group(
        "routes.ingress.ports", [(ingresses, ingress.entered_ports)], lambda key, _ingresses: key
    )
    certified: Collection[str, CertificateRef] = group(
        "routes.ingress.certified", [(ingresses, ingress.secured_hosts)], ingress.certificate
    )
    chains = derive("routes.ingress.chains", certified, lambda hostname, ref, _fetch: ingress_tls.chain(hostname, ref))
    return group(
        "routes.ports",
        [(listeners, _port_of_listener), (opened, lambda key: (key,)), (chains, _port_of_chain)],
        _open_port,
    )


def _port_of_chain(_chain: Chain) -> tuple[PortKey, ...]:
    return (PortKey(INGRESS_PROXY, ingress_tls.PORT),)


def _open_port(key: PortKey, members: Members[GatewayListener | PortKey | Chain]) -> OpenPort:
    if key.proxy == INGRESS_PROXY:
        own = [item for item in members if isinstance(item, Chain)]
        if key.port == ingress.PORT:
            return OpenPort(key, (ingress.LISTENER,))
        if all(chain.hostname for chain in own):
            own.append(ingress_tls.DEFAULT_CHAIN)
        return OpenPort(key, (ingress_tls.LISTENER,), tuple(sorted(own, key=lambda each: each.hostname)), "tls")
    served = [item.listener for item in members if isinstance(item, GatewayListener) and item.listener is not None]
    chains = (
        Chain(
            item.hostname,
            item.name,
            item.origin,
            item.tls.certificates if item.tls is not None else (),
            item.protocol == "HTTPS",
            item.tls.clients if item.tls is not None else None,
        )
        for item in served
        if item.protocol in ("HTTPS", "TLS")
    )
    return OpenPort(
        key,
        tuple(dict.fromkeys(item.name for item in served)),
        tuple(sorted(chains, key=lambda chain: chain.hostname)),
        SPEECH[served[0].protocol],
    )


def proxy_of_port(port: OpenPort) -> tuple[Key]:
    """Index of open ports by proxy."""
    return (port.key.proxy,)
