"""The statuses that routing writes: those of GatewayClasses, Gateways, ListenerSets, routes and BackendTLSPolicies.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `GatewayStatus`, `ListenerStatus`, `ListenerSetStatus`,
`RouteParentStatus`, `PolicyAncestorStatus` and the condition types and reasons there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sealane.kube.objects import Key, Object
from sealane.network.routes.classes import GATEWAY_CONTROLLER
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api import frontend_tls
from sealane.network.routes.gateway_api import listeners as gateways
from sealane.network.routes.gateway_api.attachment import BoundRoute
from sealane.network.routes.gateway_api.backend_tls import BackendPolicy, Identity, conflicts, services_of
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.published import Status, proxy_is_ready, service_addresses
from sealane.network.routes.sources import GATEWAY_GROUP, Sources
from sealane.reactive.collections import Collection, Fetch, derive

if TYPE_CHECKING:
    from sealane.kube.shapes import BackendTLSPolicy, Gateway, GatewayClass, ListenerSet


Statuses = Mapping[str, Collection[Key, Status]]
"""By kind of object."""

MAX_ANCESTORS = 16


@dataclass(frozen=True, slots=True)
class Known:
    """What statuses are made of. reached: Services with the proxies that send to them."""

    sources: Sources
    listeners: Collection[ListenerKey, GatewayListener]
    routes: Mapping[str, Collection[Key, BoundRoute]]
    attached: Collection[ListenerKey, int]
    identities: Collection[Key, Identity]
    policies: Collection[Key, BackendPolicy]
    reached: Collection[tuple[Key, Key], tuple[Key, Key]]


def statuses(known: Known) -> Statuses:
    sources = known.sources

    def of_route(kind: str, collection: Collection[Key, Any]) -> Collection[Key, Status]:
        routes = known.routes[kind]
        return derive(
            f"routes.status.{kind}",
            collection,
            lambda key, item, fetch: route_status(item, fetch.get(routes, key)),
        )

    return {
        "GatewayClass": derive(
            "routes.status.class",
            sources.gateway_classes,
            lambda _key, item, fetch: class_status(item, fetch.get(sources.channels, HTTP_ROUTES) or ""),
        ),
        "Gateway": derive(
            "routes.status.gateway",
            sources.gateways,
            lambda _key, item, fetch: gateway_status(item, known, fetch),
        ),
        "ListenerSet": derive(
            "routes.status.set", sources.listener_sets, lambda _key, item, fetch: set_status(item, known, fetch)
        ),
        "HTTPRoute": of_route("HTTPRoute", sources.http_routes),
        "GRPCRoute": of_route("GRPCRoute", sources.grpc_routes),
        "TLSRoute": of_route("TLSRoute", sources.tls_routes),
        "TCPRoute": of_route("TCPRoute", sources.tcp_routes),
        "UDPRoute": of_route("UDPRoute", sources.udp_routes),
        "BackendTLSPolicy": derive(
            "routes.status.policy",
            sources.backend_tls_policies,
            lambda key, item, fetch: policy_status(item, fetch.get(known.policies, key), known, fetch),
        ),
    }


def _generation(item: Object) -> int:
    return int(item.metadata.get("generation") or 0)


HTTP_ROUTES = f"httproutes.{GATEWAY_GROUP}"
"""The definition by which the channel is told."""


def class_status(item: GatewayClass, channel: str = "") -> Status | None:
    """channel: of the definition of HTTPRoute, "" where that is not known. What it has no fields for is no feature."""
    if not gateways.is_ours(item):
        return None
    accepted = Condition("Accepted", True, "Accepted", f"served by {GATEWAY_CONTROLLER}")
    if item.spec.get("parametersRef"):
        text = "no kind of parameters is supported"
        accepted = Condition("Accepted", False, "InvalidParameters", text)
    return Status(
        item.key,
        {
            "conditions": [accepted.raw(_generation(item))],
            "supportedFeatures": [
                {"name": name} for name in sorted(FEATURES) if channel != "standard" or name not in EXPERIMENTAL
            ],
        },
    )


FEATURES = (
    "BackendTLSPolicy",
    "BackendTLSPolicySANValidation",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayBackendClientCertificate",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayInfrastructure",
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetry",
    "HTTPRouteRetryBackendTimeout",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
    "UDPRoute",
)
"""Features of the official suite that pass here, no less and no more."""

EXPERIMENTAL = frozenset({"HTTPRouteRetry", "HTTPRouteRetryBackendTimeout", "HTTPRouteRetryConnectionError"})
"""Those of them whose fields only definitions of the experimental channel have."""


# Gateways


def gateway_status(item: Gateway, known: Known, fetch: Fetch) -> Status | None:
    """None for a Gateway of another's class.

    Programmed is true when the Gateway's Service has an address and a ready proxy behind it.
    """
    if not gateways.is_ours(fetch.get(known.sources.gateway_classes, gateways.class_key(item))):
        return None
    found = {each.key.name: each for each in fetch(known.listeners, index=gateways.owner_of, value=item.key)}
    addresses, ready = _addresses(item, known, fetch)
    wanted = [each["value"] for each in item.spec.get("addresses") or () if each.get("value")]
    shown = [each for each in addresses if not wanted or next(iter(each.values())) in wanted]
    absent = [each for each in wanted if each not in (next(iter(one.values())) for one in addresses)]
    valid = [listener for listener in found.values() if listener.listener is not None]
    sets = fetch(known.sources.listener_sets, index=gateways.parent_of, value=item.key)
    accepted = [each for each in sets if _set_accepted(each, item, known, fetch)[0].status]
    generation = _generation(item)
    conditions = [
        _gateway_accepted(item, found, valid),
        _programmed(bool(valid or accepted), gateways.refusal(item), addresses, absent, ready),
    ]
    identity = fetch.get(known.identities, item.key)
    if identity is not None:
        conditions.append(identity.problem or Condition("ResolvedRefs", True, "ResolvedRefs"))
    if frontend_tls.falls_back(item):
        text = "clients are served whatever certificate they show, or none"
        conditions.append(Condition("InsecureFrontendValidationMode", True, "ConfigurationChanged", text))
    return Status(
        item.key,
        {
            "addresses": [
                {"type": "IPAddress" if "ip" in address else "Hostname", "value": next(iter(address.values()))}
                for address in shown
            ],
            **({"attachedListenerSets": len(accepted)} if sets else {}),
            "conditions": [condition.raw(generation) for condition in conditions],
            "listeners": [
                _listener_status(found[entry["name"]], known, ready, generation, fetch)
                for entry in item.spec.get("listeners") or ()
            ],
        },
    )


def _addresses(item: Gateway, known: Known, fetch: Fetch) -> tuple[list[dict[str, str]], bool]:
    """The addresses of the Gateway's proxy, and whether it listens."""
    class_name = gateways.class_key(item).name
    addresses = service_addresses(item.key, class_name, known.sources, fetch)
    return addresses, bool(addresses) and proxy_is_ready(item.key, class_name, known.sources, fetch)


def _gateway_accepted(
    item: Gateway, found: Mapping[str, GatewayListener], valid: Sequence[GatewayListener]
) -> Condition:
    refused = gateways.refusal(item)
    if refused is not None:
        return refused
    if len(valid) == len(found):
        return Condition("Accepted", True, "Accepted", "all listeners are valid")
    names = ", ".join(listener.key.name for listener in found.values() if listener.listener is None)
    return Condition("Accepted", bool(valid), "ListenersNotValid", f"listeners that cannot serve: {names}")


def _programmed(
    valid: bool,
    refused: Condition | None,
    addresses: Sequence[Mapping[str, str]],
    absent: Sequence[str],
    ready: bool,
) -> Condition:
    if not valid or refused is not None:
        return Condition("Programmed", False, "Invalid", refused.message if refused else "no listener is valid")
    if absent:
        text = f"addresses that cannot be had: {', '.join(absent)}"
        return Condition("Programmed", False, "AddressNotUsable", text)
    if not addresses:
        return Condition("Programmed", False, "AddressNotAssigned", "the Gateway's Service has no address yet")
    if not ready:
        return Condition("Programmed", False, "Pending", "no proxy of this Gateway is ready yet")
    return Condition("Programmed", True, "Programmed", "the proxy listens")


_CONFLICTS = ("ProtocolConflict", "HostnameConflict")
_PROBLEMS = {
    "UnsupportedProtocol": "this protocol is not supported",
    "UnsupportedValue": "TLS can be passed through by listeners of protocol TLS only",
    "NoValidCACertificate": "no certificate is left that certificates of clients could come from",
    "ProtocolConflict": "another listener has the same port and a different protocol",
    "HostnameConflict": "another listener has the same port and hostname",
}


def _listener_status(
    listener: GatewayListener, known: Known, ready: bool, generation: int, fetch: Fetch
) -> dict[str, Any]:
    problem = listener.problem
    message = _PROBLEMS.get(problem, "")
    unusable = listener.listener is None
    conflict = problem in _CONFLICTS
    # A ListenerSet's writer may not see the listeners of others, so the reason stands in each of its conditions.
    invalid = problem if conflict and listener.key.owner.kind == "ListenerSet" else "Invalid"
    conditions = [
        Condition("Accepted", not problem, problem or "Accepted", message),
        Condition("Conflicted", conflict, problem if conflict else "NoConflicts", message if conflict else ""),
        Condition("Programmed", False, invalid, message or _idle(listener))
        if unusable
        else Condition("Programmed", ready, "Programmed" if ready else "Pending"),
        _resolved_refs(listener),
    ]
    return {
        "name": listener.key.name,
        "attachedRoutes": fetch.get(known.attached, listener.key) or 0,
        "supportedKinds": [{"group": group, "kind": kind} for group, kind in listener.kinds],
        "conditions": [condition.raw(generation) for condition in conditions],
    }


def _idle(listener: GatewayListener) -> str:
    """Why an accepted listener does not serve."""
    return "it has no certificate that can be used" if listener.references else "its Gateway is not accepted"


def _resolved_refs(listener: GatewayListener) -> Condition:
    if listener.bad_kinds:
        text = "allowedRoutes.kinds names kinds that cannot attach here"
        return Condition("ResolvedRefs", False, "InvalidRouteKinds", text)
    return listener.references or Condition("ResolvedRefs", True, "ResolvedRefs")


# ListenerSets


def _set_accepted(item: ListenerSet, parent: Gateway, known: Known, fetch: Fetch) -> tuple[Condition, bool]:
    """The Accepted condition, and whether the Gateway takes the ListenerSet at all."""
    if not gateways.takes(parent, item.namespace, known.sources, fetch):
        text = f"allowedListeners of {parent.key} lets none of namespace {item.namespace} in"
        return Condition("Accepted", False, "NotAllowed", text), False
    found = fetch(known.listeners, index=gateways.owner_of, value=item.key)
    bad = ", ".join(each.key.name for each in found if each.listener is None)
    if not bad:
        return Condition("Accepted", True, "Accepted", "all listeners are valid"), True
    serving = any(each.listener is not None for each in found)
    return Condition("Accepted", serving, "ListenersNotValid", f"listeners that cannot serve: {bad}"), True


def set_status(item: ListenerSet, known: Known, fetch: Fetch) -> Status | None:
    """None for a ListenerSet whose parent is no Gateway of ours."""
    parent = fetch.get(known.sources.gateways, gateways.parent_of(item)[0])
    if parent is None or not gateways.is_ours(fetch.get(known.sources.gateway_classes, gateways.class_key(parent))):
        return None
    accepted, taken = _set_accepted(item, parent, known, fetch)
    generation = _generation(item)
    _, ready = _addresses(parent, known, fetch)
    programmed = Condition("Programmed", ready, "Programmed" if ready else "Pending")
    if not accepted.status:
        programmed = Condition("Programmed", False, accepted.reason, accepted.message)
    found = {each.key.name: each for each in fetch(known.listeners, index=gateways.owner_of, value=item.key)}
    return Status(
        item.key,
        {
            "conditions": [condition.raw(generation) for condition in (accepted, programmed)],
            "listeners": [
                _listener_status(found[entry["name"]], known, ready, generation, fetch)
                for entry in item.spec.get("listeners") or ()
                if taken
            ],
        },
    )


# Routes and policies


def route_status(item: Object, bound: BoundRoute | None) -> Status | None:
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


def policy_status(item: BackendTLSPolicy, policy: BackendPolicy | None, known: Known, fetch: Fetch) -> Status | None:
    """An entry for each Gateway of ours that sends to a Service that the policy is for."""
    services = services_of(policy) if policy is not None else ()
    proxies = {
        proxy
        for service in services
        for _, proxy in fetch(known.reached, index=_service_of, value=service)
        if (proxy.group, proxy.kind) == (GATEWAY_GROUP, "Gateway")
    }
    if policy is None or not proxies:
        had = any(each.get("controllerName") == GATEWAY_CONTROLLER for each in item.status.get("ancestors") or ())
        return Status(item.key, {"ancestors": []}) if had else None
    others = [each for service in services for each in fetch(known.policies, index=services_of, value=service)]
    conditions = [condition.raw(_generation(item)) for condition in _policy_conditions(policy, others)]
    return Status(
        item.key,
        {
            "ancestors": [
                {
                    "ancestorRef": {
                        "group": proxy.group,
                        "kind": proxy.kind,
                        "namespace": proxy.namespace,
                        "name": proxy.name,
                    },
                    "controllerName": GATEWAY_CONTROLLER,
                    "conditions": conditions,
                }
                for proxy in sorted(proxies)[:MAX_ANCESTORS]
            ]
        },
    )


def _service_of(reached: tuple[Key, Key]) -> tuple[Key]:
    """Index of what proxies reach by Service."""
    return (reached[0],)


def _policy_conditions(policy: BackendPolicy, others: Iterable[BackendPolicy]) -> tuple[Condition, Condition]:
    resolved = policy.problem or Condition("ResolvedRefs", True, "ResolvedRefs")
    older = conflicts(policy, others)
    if older is not None:
        return Condition("Accepted", False, "Conflicted", f"{older} is older and has the same target"), resolved
    if policy.tls is None:
        text = "no certificate is left that a backend's could come from"
        return Condition("Accepted", False, "NoValidCACertificate", text), resolved
    return Condition("Accepted", True, "Accepted"), resolved
