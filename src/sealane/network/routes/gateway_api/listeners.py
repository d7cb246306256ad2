"""GatewayClass and Gateway: their listeners, the routes that may attach, and the conflicts between listeners.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `Gateway`, `Listener`, `AllowedRoutes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector
from sealane.network.certificates.pairs import Pair
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.classes import GATEWAY_CONTROLLER, served_here
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api import frontend_tls
from sealane.network.routes.model.http import HostKey, Listener
from sealane.network.routes.sources import GATEWAY_GROUP, Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway, GatewayClass
    from sealane.kube.shapes.gateway_v1 import (
        GatewaySpecListeners,
        GatewaySpecListenersAllowedRoutes,
        GatewaySpecListenersAllowedRoutesNamespaces,
    )

RouteKind = tuple[str, str]
HTTP_ROUTE: RouteKind = (GATEWAY_GROUP, "HTTPRoute")
SUPPORTED_KINDS: Mapping[str, tuple[RouteKind, ...]] = {"HTTP": (HTTP_ROUTE,), "HTTPS": (HTTP_ROUTE,)}
"""Route kinds that each protocol can carry; a protocol that is not here is not supported."""


class ListenerKey(NamedTuple):
    gateway: Key
    name: str


@dataclass(frozen=True, slots=True)
class GatewayListener:
    """A listener of a Gateway of ours.

    listener: its part of the routing model, None while `problem` or the lack of a certificate keeps it from serving.
    problem: "" or UnsupportedProtocol, UnsupportedValue, ProtocolConflict, HostnameConflict.
    certificates: the ResolvedRefs condition of references to certificates that do not resolve.
    kinds: the routes that may attach. bad_kinds: allowedRoutes names kinds we cannot serve here.
    namespaces: which namespaces' routes may attach; a selector is matched with the namespace's labels.
    """

    key: ListenerKey
    port: int
    hostname: str
    listener: Listener | None
    problem: str
    kinds: tuple[RouteKind, ...]
    bad_kinds: bool
    namespaces: Literal["Same", "All"] | LabelSelector
    certificates: Condition | None = None

    def allows(self, route: Key, sources: Sources, fetch: Fetch) -> bool:
        """Whether `allowedRoutes` lets this route attach."""
        if (route.group, route.kind) not in self.kinds:
            return False
        if self.namespaces == "All":
            return True
        if self.namespaces == "Same":
            return route.namespace == self.key.gateway.namespace
        namespace = fetch.get(sources.namespaces, Key("", "Namespace", "", route.namespace))
        return namespace is not None and self.namespaces.matches(namespace.labels)


def is_ours(gateway_class: GatewayClass | None) -> bool:
    return served_here(gateway_class, GATEWAY_CONTROLLER)


def class_key(gateway: Gateway) -> Key:
    return Key(GATEWAY_GROUP, "GatewayClass", "", gateway.spec.get("gatewayClassName") or "")


def gateway_of(listener: GatewayListener) -> tuple[Key]:
    """Index of listeners by Gateway."""
    return (listener.key.gateway,)


def own_hosts(listener: GatewayListener) -> tuple[HostKey, ...]:
    """Index of listeners by the virtual host that their own hostname is: it is there (with 404) without routes too."""
    served = listener.listener
    return (HostKey(served.proxy, served.port, served.hostname),) if served is not None else ()


def listeners(
    gateway: Gateway, sources: Sources, pairs: Collection[Key, Pair], fetch: Fetch
) -> dict[ListenerKey, GatewayListener]:
    """The listeners of a Gateway whose class is ours; of another's none.

    Two listeners of one port conflict when their protocols differ or their hostnames are equal; then neither serves
    ("The implementation MUST NOT pick one conflicting Listener as the winner"). An HTTPS listener serves once one of
    its certificates resolves.
    """
    if not is_ours(fetch.get(sources.gateway_classes, class_key(gateway))):
        return {}
    entries = list(gateway.spec.get("listeners") or ())
    protocols: dict[int, set[str]] = {}
    taken: Counter[tuple[int, str]] = Counter()
    for entry in entries:
        protocols.setdefault(entry["port"], set()).add(entry["protocol"])
        taken[entry["port"], entry.get("hostname") or ""] += 1

    def problem(entry: GatewaySpecListeners) -> str:
        if entry["protocol"] not in SUPPORTED_KINDS:
            return "UnsupportedProtocol"
        if entry["protocol"] == "HTTPS" and not frontend_tls.is_supported(gateway, entry):
            return "UnsupportedValue"
        if len(protocols[entry["port"]]) > 1:
            return "ProtocolConflict"
        return "HostnameConflict" if taken[entry["port"], entry.get("hostname") or ""] > 1 else ""

    problems = [problem(entry) for entry in entries]
    terminated = [
        frontend_tls.resolve(gateway, number, sources, pairs, fetch) if entry["protocol"] == "HTTPS" else None
        for number, entry in enumerate(entries)
    ]
    serving = [
        not problems[number] and (each is None or bool(each.tls.certificates)) for number, each in enumerate(terminated)
    ]
    found: dict[ListenerKey, GatewayListener] = {}
    for number, entry in enumerate(entries):
        port, hostname = entry["port"], (entry.get("hostname") or hosts.ANY).lower()
        rivals = tuple(
            (other.get("hostname") or hosts.ANY).lower()
            for index, other in enumerate(entries)
            if index != number and other["port"] == port and serving[index]
        )
        served, resolved = None, terminated[number]
        if serving[number]:
            origin = Provenance(gateway.key, ("spec", "listeners", number))
            served = Listener(gateway.key, entry["name"], port, "HTTP", hostname, origin, rivals)
            if resolved is not None:
                served = replace(served, protocol="HTTPS", tls=resolved.tls)
        allowed = entry.get("allowedRoutes") or {}
        kinds, bad_kinds = _kinds(entry["protocol"], allowed)
        key = ListenerKey(gateway.key, entry["name"])
        found[key] = GatewayListener(
            key,
            port,
            hostname,
            served,
            problems[number],
            kinds,
            bad_kinds,
            _namespaces(allowed.get("namespaces") or {}),
            resolved.problem if resolved is not None else None,
        )
    return found


def _kinds(protocol: str, allowed: GatewaySpecListenersAllowedRoutes) -> tuple[tuple[RouteKind, ...], bool]:
    supported = SUPPORTED_KINDS.get(protocol, ())
    named = [(item.get("group") or GATEWAY_GROUP, item["kind"]) for item in allowed.get("kinds") or ()]
    if not named:
        return supported, False
    return tuple(kind for kind in dict.fromkeys(named) if kind in supported), any(
        kind not in supported for kind in named
    )


def _namespaces(namespaces: GatewaySpecListenersAllowedRoutesNamespaces) -> Literal["Same", "All"] | LabelSelector:
    match namespaces.get("from"):
        case "All":
            return "All"
        case "Selector":
            return LabelSelector.of(namespaces.get("selector") or {})
    return "Same"
