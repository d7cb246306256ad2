"""The statuses that routing writes: those of GatewayClasses, Gateways and HTTPRoutes.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `GatewayStatus`, `ListenerStatus`, `RouteParentStatus` and
the condition types and reasons there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sealane.kube.objects import Key, Object
from sealane.network.routes.classes import GATEWAY_CONTROLLER
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api import listeners as gateways
from sealane.network.routes.gateway_api.httproute import BoundRoute
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.published import Status, proxy_is_ready, service_addresses
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch, derive

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway, GatewayClass, HTTPRoute


Statuses = Mapping[str, Collection[Key, Status]]
"""By kind of object: GatewayClass, Gateway, HTTPRoute."""


def statuses(
    sources: Sources,
    listeners: Collection[ListenerKey, GatewayListener],
    routes: Collection[Key, BoundRoute],
    attached: Collection[ListenerKey, int],
) -> Statuses:
    return {
        "GatewayClass": derive(
            "routes.status.class", sources.gateway_classes, lambda _key, item, _fetch: class_status(item)
        ),
        "Gateway": derive(
            "routes.status.gateway",
            sources.gateways,
            lambda _key, item, fetch: gateway_status(item, sources, listeners, attached, fetch),
        ),
        "HTTPRoute": derive(
            "routes.status.route",
            sources.http_routes,
            lambda key, item, fetch: route_status(item, fetch.get(routes, key)),
        ),
    }


def _generation(item: Object) -> int:
    return int(item.metadata.get("generation") or 0)


def class_status(item: GatewayClass) -> Status | None:
    if not gateways.is_ours(item):
        return None
    conditions = (Condition("Accepted", True, "Accepted", f"served by {GATEWAY_CONTROLLER}"),)
    features = ["Gateway", "HTTPRoute", "ReferenceGrant", *EXTENDED_FEATURES]
    return Status(
        item.key,
        {
            "conditions": [condition.raw(_generation(item)) for condition in conditions],
            "supportedFeatures": [{"name": name} for name in sorted(features)],
        },
    )


EXTENDED_FEATURES = (
    "GatewayHTTPListenerIsolation",
    "GatewayPort8080",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
)


def gateway_status(
    item: Gateway,
    sources: Sources,
    listeners: Collection[ListenerKey, GatewayListener],
    attached: Collection[ListenerKey, int],
    fetch: Fetch,
) -> Status | None:
    """None for a Gateway of another's class.

    Programmed is true when the Gateway's Service has an address and a ready proxy behind it.
    """
    if not gateways.is_ours(fetch.get(sources.gateway_classes, gateways.class_key(item))):
        return None
    found = {listener.key.name: listener for listener in fetch(listeners, index=gateways.gateway_of, value=item.key)}
    class_name = gateways.class_key(item).name
    addresses = service_addresses(item.key, class_name, sources, fetch)
    ready = bool(addresses) and proxy_is_ready(item.key, class_name, sources, fetch)
    valid = [listener for listener in found.values() if listener.listener is not None]
    generation = _generation(item)
    conditions = (_gateway_accepted(found, valid), _programmed(bool(valid), addresses, ready))
    return Status(
        item.key,
        {
            "addresses": [
                {"type": "IPAddress" if "ip" in address else "Hostname", "value": next(iter(address.values()))}
                for address in addresses
            ],
            "conditions": [condition.raw(generation) for condition in conditions],
            "listeners": [
                _listener_status(found[entry["name"]], fetch.get(attached, found[entry["name"]].key), ready, generation)
                for entry in item.spec.get("listeners") or ()
            ],
        },
    )


def _gateway_accepted(found: dict[str, GatewayListener], valid: list[GatewayListener]) -> Condition:
    if len(valid) == len(found):
        return Condition("Accepted", True, "Accepted", "all listeners are valid")
    names = ", ".join(listener.key.name for listener in found.values() if listener.listener is None)
    return Condition("Accepted", bool(valid), "ListenersNotValid", f"listeners that cannot serve: {names}")


def _programmed(valid: bool, addresses: list[dict[str, str]], ready: bool) -> Condition:
    if not valid:
        return Condition("Programmed", False, "Invalid", "no listener is valid")
    if not addresses:
        return Condition("Programmed", False, "AddressNotAssigned", "the Gateway's Service has no address yet")
    if not ready:
        return Condition("Programmed", False, "Pending", "no proxy of this Gateway is ready yet")
    return Condition("Programmed", True, "Programmed", "the proxy listens")


_PROBLEMS = {
    "UnsupportedProtocol": "this protocol is not supported",
    "UnsupportedValue": "TLS is not passed through, and certificates of clients are not verified",
    "ProtocolConflict": "another listener has the same port and a different protocol",
    "HostnameConflict": "another listener has the same port and hostname",
}


def _listener_status(listener: GatewayListener, attached: int | None, ready: bool, generation: int) -> dict[str, Any]:
    problem = listener.problem
    message = _PROBLEMS.get(problem, "")
    unusable = listener.listener is None
    conflict = problem in ("ProtocolConflict", "HostnameConflict")
    conditions = [
        Condition("Accepted", not problem, problem or "Accepted", message),
        Condition("Conflicted", conflict, problem if conflict else "NoConflicts", message if conflict else ""),
        Condition("Programmed", False, "Invalid", message or "it has no certificate that can be used")
        if unusable
        else Condition("Programmed", ready, "Programmed" if ready else "Pending"),
        _resolved_refs(listener),
    ]
    return {
        "name": listener.key.name,
        "attachedRoutes": attached or 0,
        "supportedKinds": [{"group": group, "kind": kind} for group, kind in listener.kinds],
        "conditions": [condition.raw(generation) for condition in conditions],
    }


def _resolved_refs(listener: GatewayListener) -> Condition:
    if listener.bad_kinds:
        text = "allowedRoutes.kinds names kinds that cannot attach here"
        return Condition("ResolvedRefs", False, "InvalidRouteKinds", text)
    return listener.certificates or Condition("ResolvedRefs", True, "ResolvedRefs")


def route_status(item: HTTPRoute, bound: BoundRoute | None) -> Status | None:
    """Entries of our own Gateways; with none, an empty list for a route that had some of ours before."""
    if bound is None:
        had = any(parent.get("controllerName") == GATEWAY_CONTROLLER for parent in item.status.get("parents") or ())
        return Status(item.key, {"parents": []}) if had else None
    return Status(
        item.key,
        {
            "parents": [
                {
                    "parentRef": dict(parent.ref),
                    "controllerName": GATEWAY_CONTROLLER,
                    "conditions": [condition.raw(_generation(item)) for condition in parent.conditions],
                }
                for parent in bound.parents
            ]
        },
    )
