"""All derived collections of routing, from objects to virtual hosts, backends and statuses.

           Secret ─► pairs
                       ▼
    GatewayClass, Gateway ─► listeners ─┐
    HTTPRoute ─► routes ────────────────┼─► hosts ─► backends
    Ingress ─► ingresses ───────────────┘

One route among many costs what its own hosts cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sealane.kube.objects import Key, Object
from sealane.network.certificates.pairs import Pair, pair_of
from sealane.network.routes import backends, proxies
from sealane.network.routes.backends import BackendEndpoints, BackendKey
from sealane.network.routes.gateway_api import frontend_tls, httproute, status
from sealane.network.routes.gateway_api import listeners as gateway
from sealane.network.routes.gateway_api.httproute import BoundRoute
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.ingress import ingress
from sealane.network.routes.ingress import status as ingress_status
from sealane.network.routes.ingress.ingress import BoundIngress
from sealane.network.routes.model.http import Forward, HostKey, Rule, VirtualHost, virtual_host
from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.model.tls import Chain
from sealane.network.routes.proxies import ProxyPod
from sealane.network.routes.published import Status
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Change, Collection, Fetch, derive, derive_many
from sealane.reactive.groups import Members, group
from sealane.reactive.objects import Objects

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing model of a cluster, kept current.

    hosts: the input of `evaluate.evaluate`. ports: the listeners of proxies. backends: those that a rule names.
    attached: number of routes at each listener. certificates: the Secrets that HTTPS listeners name, there or not.
    pairs: their certificates and keys, good or bad.
    statuses: the status that each object should have, by kind.
    """

    sources: Sources
    listeners: Collection[ListenerKey, GatewayListener]
    routes: Collection[Key, BoundRoute]
    ingresses: Collection[Key, BoundIngress]
    hosts: Collection[HostKey, VirtualHost]
    ports: Collection[PortKey, OpenPort]
    backends: Collection[BackendKey, BackendEndpoints]
    pods: Collection[Key, ProxyPod]
    attached: Collection[ListenerKey, int]
    certificates: Collection[Key, bool]
    pairs: Collection[Key, Pair]
    statuses: Mapping[str, Collection[Key, Status]]


def routing(sources: Sources) -> Routing:
    certificates = _certificates(sources)
    pairs = derive("routes.pairs", certificates, lambda key, _named, fetch: _pair(key, sources, fetch))
    listeners = derive_many(
        "routes.listeners", sources.gateways, lambda _key, item, fetch: gateway.listeners(item, sources, pairs, fetch)
    )
    routes = derive(
        "routes.routes",
        sources.http_routes,
        lambda _key, item, fetch: httproute.bind(item, sources, listeners, fetch),
    )
    ingresses = derive(
        "routes.ingresses", sources.ingresses, lambda _key, item, fetch: ingress.bind(item, sources, fetch)
    )
    default: Collection[bool, Rule] = group(
        "routes.default", [(ingresses, _with_default)], lambda _key, found: ingress.oldest_default(found)
    )
    entered: Collection[HostKey, tuple[Rule, ...]] = group(
        "routes.entered",
        [(listeners, gateway.own_hosts), (routes, _hosts_of_route), (ingresses, ingress.entered_hosts)],
        _rules,
    )

    def host(key: HostKey, rules: tuple[Rule, ...], fetch: Fetch) -> VirtualHost:
        found = virtual_host(key, rules)
        if key.proxy == ingress.LISTENER.proxy:
            last = fetch.get(default, True)
            if last is not None:
                return replace(found, rules=(*found.rules, last))
        return found

    hosts = derive("routes.hosts", entered, host)
    used: Collection[BackendKey, bool] = group("routes.used", [(hosts, used_backends)], lambda _key, _hosts: True)
    attached: Collection[ListenerKey, int] = group(
        "routes.attached", [(routes, _listeners_of_route)], lambda _key, found: len(found)
    )
    return Routing(
        sources,
        listeners,
        routes,
        ingresses,
        hosts,
        group("routes.ports", [(listeners, _port_of_listener), (ingresses, _port_of_ingress)], _open_port),
        derive("routes.backends", used, lambda key, _used, fetch: backends.endpoints(key, sources, fetch)),
        derive("routes.pods", sources.pods, lambda _key, pod, _fetch: proxies.proxy_pod(pod)),
        attached,
        certificates,
        pairs,
        {**status.statuses(sources, listeners, routes, attached), "Ingress": ingress_status.statuses(sources)},
    )


def _certificates(sources: Sources) -> Collection[Key, bool]:
    """The Secrets that Gateways of ours name. The first of them is when Secrets are asked for."""

    def secrets(_key: Key, item: Gateway, fetch: Fetch) -> tuple[Key, ...] | None:
        ours = gateway.is_ours(fetch.get(sources.gateway_classes, gateway.class_key(item)))
        return (frontend_tls.secrets_of(item) or None) if ours else None

    named: Collection[Key, bool] = group(
        "routes.certificates",
        [(derive("routes.certificate_refs", sources.gateways, secrets), tuple)],
        lambda _key, _gateways: True,
    )

    def ask(_changes: Sequence[Change[Key, bool]]) -> None:
        if named:
            sources.ask_for_secrets()

    named.subscribe(ask)
    return named


def _pair(key: Key, sources: Sources, fetch: Fetch) -> Pair | None:
    secret = fetch.get(sources.secrets, key)
    return pair_of(secret) if secret is not None else None


def routing_of(objects: Iterable[Object]) -> Routing:
    """The routing model of some manifests."""
    return routing(Sources.of(Objects.of(objects)))


def _rules(key: HostKey, members: Members[GatewayListener | BoundRoute | BoundIngress]) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for member in members:
        if isinstance(member, BoundRoute):
            found += member.rules
        elif isinstance(member, BoundIngress):
            found += member.rules[key]
    return tuple(found)


def used_backends(host: VirtualHost) -> set[BackendKey]:
    """Index of virtual hosts by the backends they send requests to."""
    found: set[BackendKey] = set()
    for rule in host.rules:
        if isinstance(rule.action, Forward):
            found.update(BackendKey(item.service, item.port) for item in rule.action.backends if not item.problem)
            found.update(BackendKey(item.service, item.port) for item in rule.action.mirrors)
    return found


def _hosts_of_route(route: BoundRoute) -> tuple[HostKey, ...]:
    return route.hosts


def _listeners_of_route(route: BoundRoute) -> tuple[ListenerKey, ...]:
    return route.listeners


def _with_default(item: BoundIngress) -> tuple[bool, ...]:
    return (True,) if item.default is not None else ()


def _port_of_listener(item: GatewayListener) -> tuple[PortKey, ...]:
    return (PortKey(item.listener.proxy, item.listener.port),) if item.listener is not None else ()


def _port_of_ingress(_item: BoundIngress) -> tuple[PortKey, ...]:
    return (PortKey(ingress.LISTENER.proxy, ingress.LISTENER.port),)


def _open_port(key: PortKey, members: Members[GatewayListener | BoundIngress]) -> OpenPort:
    names = [item.key.name if isinstance(item, GatewayListener) else ingress.LISTENER.name for item in members]
    chains = (
        Chain(item.hostname, item.name, item.origin, item.tls.certificates)
        for item in (member.listener for member in members if isinstance(member, GatewayListener))
        if item is not None and item.tls is not None
    )
    return OpenPort(key, tuple(dict.fromkeys(names)), tuple(sorted(chains, key=lambda chain: chain.hostname)))


def proxy_of_port(port: OpenPort) -> tuple[Key]:
    """Index of open ports by proxy."""
    return (port.key.proxy,)
