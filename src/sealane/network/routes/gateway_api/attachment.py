"""Routes of every kind at their parents: the listeners that a parentRef attaches to, and what it says of itself.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `ParentReference`, `RouteParentStatus`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sealane.kube.objects import Key, Object
from sealane.network.routes import hosts
from sealane.network.routes.backends import Reference
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey, owner_of
from sealane.network.routes.model.http import HostKey, Rule
from sealane.network.routes.model.streams import Stream, StreamKey
from sealane.network.routes.sources import GATEWAY_GROUP, Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import GRPCRoute, HTTPRoute, TCPRoute, TLSRoute, UDPRoute
    from sealane.kube.shapes.gateway_v1 import BackendTLSPolicyStatusAncestorsAncestorRef as ParentRef

    Route = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute

Path = tuple[str | int, ...]
Age = tuple[str, str, str]
PARENTS = ("Gateway", "ListenerSet")


@dataclass(frozen=True, slots=True)
class Parent:
    """One parentRef that names a Gateway or ListenerSet of ours, and how it went. ref: as written in the route."""

    ref: ParentRef
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class BoundRoute:
    """A route with all its references resolved.

    hosts: the virtual hosts that its rules enter. streams: what it passes on, by place. listeners: those it is attached
    to, serving or not.
    """

    key: Key
    rules: tuple[Rule, ...]
    hosts: tuple[HostKey, ...]
    streams: tuple[Stream, ...]
    listeners: tuple[ListenerKey, ...]
    parents: tuple[Parent, ...]


Joined = list[tuple[GatewayListener, list[str]]]


@dataclass(frozen=True, slots=True)
class Attached:
    """One parentRef. accepted: its Accepted condition. joined: the listeners, with the hostnames served there."""

    ref: ParentRef
    accepted: Condition
    joined: Joined


def age_of(route: Object) -> Age:
    return (route.metadata.get("creationTimestamp") or "", route.namespace, route.name)


def attach(
    route: Route, sources: Sources, listeners: Collection[ListenerKey, GatewayListener], fetch: Fetch
) -> list[Attached]:
    """The parentRefs that name what is ours; none: the route is not ours."""
    found: list[Attached] = []
    for ref in route.spec.get("parentRefs") or ():
        kind = ref.get("kind", "Gateway")
        if ref.get("group", GATEWAY_GROUP) != GATEWAY_GROUP or kind not in PARENTS:
            continue
        owner = Key(GATEWAY_GROUP, kind, ref.get("namespace") or route.namespace, ref.get("name", ""))
        if there := fetch(listeners, index=owner_of, value=owner):
            accepted, joined = _join(route, ref, there, sources, fetch)
            found.append(Attached(ref, accepted, joined))
    return found


def _join(
    route: Route, ref: ParentRef, found: Sequence[GatewayListener], sources: Sources, fetch: Fetch
) -> tuple[Condition, Joined]:
    """Reasons: NoMatchingParent, NotAllowedByListeners, NoMatchingListenerHostname (`RouteConditionReason`)."""
    section, port = ref.get("sectionName"), ref.get("port")
    named = [item for item in found if (not section or item.key.name == section) and (not port or item.port == port)]
    if not named:
        wanted = " and ".join(filter(None, (f"name {section!r}" if section else "", f"port {port}" if port else "")))
        kind = ref.get("kind", "Gateway")
        return Condition("Accepted", False, "NoMatchingParent", f"the {kind} has no listener with {wanted}"), []
    allowed = [item for item in named if item.allows(route.key, sources, fetch)]
    if not allowed:
        article = "an" if route.kind[0] == "H" else "a"
        message = f"no listener's allowedRoutes lets {article} {route.kind} of namespace {route.namespace} attach"
        return Condition("Accepted", False, "NotAllowedByListeners", message), []
    wanted_hosts = [str(name).lower() for name in _hostnames(route)]
    joined: Joined = []
    for item in allowed:
        both = [hosts.intersection(item.hostname, name) for name in wanted_hosts]
        hostnames = [name for name in both if name is not None]
        if hostnames:
            joined.append((item, hostnames))
    if not joined:
        have = ", ".join(item.hostname for item in allowed)
        message = f"the route's hostnames ({', '.join(wanted_hosts)}) are none of the listeners' ({have})"
        return Condition("Accepted", False, "NoMatchingListenerHostname", message), []
    return Condition("Accepted", True, "Accepted", "attached"), joined


def _hostnames(route: Route) -> Sequence[str]:
    spec: Mapping[str, Any] = route.spec
    return spec.get("hostnames") or (hosts.ANY,)


def resolved_refs(problems: Sequence[Reference]) -> Condition:
    """The ResolvedRefs condition."""
    if not problems:
        return Condition("ResolvedRefs", True, "ResolvedRefs", "all references resolve")
    message = "; ".join(dict.fromkeys(item.message for item in problems))
    return Condition("ResolvedRefs", False, problems[0].problem, message)


def bound(
    route: Route,
    attached: Sequence[Attached],
    rules: Sequence[Rule],
    resolved: Condition,
    dropped: Sequence[str] = (),
) -> BoundRoute:
    """A route of HTTP rules at its parents. dropped: why rules of it are not served."""
    parents: list[Parent] = []
    at: dict[ListenerKey, None] = {}
    entered: dict[HostKey, None] = {}
    for each in attached:
        parents.append(Parent(each.ref, _conditions(each.accepted, resolved, dropped, rules)))
        if dropped and not rules:
            continue
        for listener, hostnames in each.joined:
            at[listener.key] = None
            served = listener.listener
            if served is not None:
                entered.update(
                    {HostKey(served.proxy, served.port, name): None for name in hostnames if served.owns(name)}
                )
    return BoundRoute(route.key, tuple(rules), tuple(sorted(entered)), (), tuple(sorted(at)), tuple(parents))


def passed(
    route: Route, attached: Sequence[Attached], streams: Mapping[StreamKey, Stream], resolved: Condition
) -> BoundRoute:
    """A route that passes on what comes, at its parents."""
    parents = tuple(Parent(each.ref, (each.accepted, resolved)) for each in attached)
    at = {listener.key: None for each in attached for listener, _ in each.joined}
    return BoundRoute(route.key, (), (), tuple(streams.values()), tuple(sorted(at)), parents)


def _conditions(
    accepted: Condition, resolved: Condition, dropped: Sequence[str], rules: Sequence[Rule]
) -> tuple[Condition, ...]:
    """With rules that cannot be served: PartiallyInvalid, or not Accepted when no other rule is left."""
    if not dropped:
        return accepted, resolved
    message = f"Dropped Rule: {'; '.join(dropped)}"
    if accepted.status and not rules:
        return Condition("Accepted", False, "UnsupportedValue", message), resolved
    return accepted, resolved, Condition("PartiallyInvalid", True, "UnsupportedValue", message)
