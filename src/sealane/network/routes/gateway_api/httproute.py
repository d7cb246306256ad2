"""HTTPRoute: its rules in the routing model, and the listeners it attaches to.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `HTTPRoute`, `ParentReference`, `RouteParentStatus`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.kube.regex import PatternError, pattern
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.backends import Reference, resolve
from sealane.network.routes.conditions import Condition
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.mirror import Mirror
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.filters.rewrite import PathEdit, Rewrite
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey, gateway_of
from sealane.network.routes.model.http import Action, Backend, Forward, HostKey, Respond, Rule
from sealane.network.routes.model.matches import Match, PathMatch, ValueMatch
from sealane.network.routes.sources import GATEWAY_GROUP, Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import HTTPRoute
    from sealane.kube.shapes.gateway_v1 import BackendTLSPolicyStatusAncestorsAncestorRef as ParentRef
    from sealane.kube.shapes.gateway_v1 import (
        GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier as HeaderModifier,
    )
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd as Header
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesBackendRefsFiltersRequestMirror as RequestMirror
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRules as RouteRule
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFilters as RouteFilter
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFiltersRequestRedirect as RequestRedirect
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFiltersRequestRedirectPath as PathModifier
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatches as RouteMatch
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatchesHeaders as HeaderMatch
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatchesQueryParams as QueryMatch

Path = tuple[str | int, ...]

EVERYTHING: RouteRule = {}
"""The API's default is one rule that matches everything and has no backend."""


@dataclass(frozen=True, slots=True)
class Parent:
    """One parentRef that names a Gateway of ours, and how it went. ref: as written in the route."""

    ref: ParentRef
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class BoundRoute:
    """A route with all its references resolved.

    hosts: the virtual hosts that its rules enter. listeners: those it is attached to, serving or not.
    """

    key: Key
    rules: tuple[Rule, ...]
    hosts: tuple[HostKey, ...]
    listeners: tuple[ListenerKey, ...]
    parents: tuple[Parent, ...]


def bind(
    route: HTTPRoute, sources: Sources, listeners: Collection[ListenerKey, GatewayListener], fetch: Fetch
) -> BoundRoute | None:
    """None for a route none of whose parents is ours."""
    refs = [
        (ref, found)
        for ref in route.spec.get("parentRefs") or ()
        if (ref.get("group", GATEWAY_GROUP), ref.get("kind", "Gateway")) == (GATEWAY_GROUP, "Gateway")
        and (found := fetch(listeners, index=gateway_of, value=_gateway(route, ref)))
    ]
    if not refs:
        return None
    rules, resolved, dropped = compile_rules(route, sources, fetch)
    parents: list[Parent] = []
    attached: dict[ListenerKey, None] = {}
    entered: dict[HostKey, None] = {}
    for ref, found in refs:
        accepted, joined = attach(route, ref, found, sources, fetch)
        parents.append(Parent(ref, _conditions(accepted, resolved, dropped, rules)))
        if dropped and not rules:
            continue
        for listener, hostnames in joined:
            attached[listener.key] = None
            served = listener.listener
            if served is not None:
                entered.update(
                    {HostKey(served.proxy, served.port, name): None for name in hostnames if served.owns(name)}
                )
    return BoundRoute(route.key, rules, tuple(sorted(entered)), tuple(sorted(attached)), tuple(parents))


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


def _gateway(route: HTTPRoute, ref: ParentRef) -> Key:
    return Key(GATEWAY_GROUP, "Gateway", ref.get("namespace") or route.namespace, ref.get("name", ""))


Joined = list[tuple[GatewayListener, list[str]]]


def attach(
    route: HTTPRoute, ref: ParentRef, found: list[GatewayListener], sources: Sources, fetch: Fetch
) -> tuple[Condition, Joined]:
    """The listeners that a parentRef attaches to with the hostnames served there, and the Accepted condition.

    Reasons: NoMatchingParent, NotAllowedByListeners, NoMatchingListenerHostname (`RouteConditionReason`).
    """
    section, port = ref.get("sectionName"), ref.get("port")
    named = [item for item in found if (not section or item.key.name == section) and (not port or item.port == port)]
    if not named:
        wanted = " and ".join(filter(None, (f"name {section!r}" if section else "", f"port {port}" if port else "")))
        return Condition("Accepted", False, "NoMatchingParent", f"the Gateway has no listener with {wanted}"), []
    allowed = [item for item in named if item.allows(route.key, sources, fetch)]
    if not allowed:
        message = f"no listener's allowedRoutes lets an HTTPRoute of namespace {route.namespace} attach"
        return Condition("Accepted", False, "NotAllowedByListeners", message), []
    wanted_hosts = [name.lower() for name in route.spec.get("hostnames") or (hosts.ANY,)]
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


# Rules


def compile_rules(route: HTTPRoute, sources: Sources, fetch: Fetch) -> tuple[tuple[Rule, ...], Condition, list[str]]:
    """The route's rules, one for each match, the ResolvedRefs condition, and why rules were dropped."""
    created = route.metadata.get("creationTimestamp") or ""
    dropped: list[str] = []
    rules: list[Rule] = []
    problems: list[Reference] = []
    for number, raw in enumerate(route.spec.get("rules") or [EVERYTHING]):
        path: Path = ("spec", "rules", number)
        reasons = [reason for match in raw.get("matches") or () if (reason := _unusable(match))]
        if reasons:
            dropped += [f"spec.rules[{number}]: {reason}" for reason in reasons]
            continue
        filters = _Filters(route, path, raw.get("filters") or (), sources, fetch)
        action = _action(route, path, raw, filters, sources, fetch)
        problems += filters.problems
        if isinstance(action, Forward):
            problems += _backend_problems(route, path, raw, sources, fetch)
        matches: list[RouteMatch] = raw.get("matches") or [{}]
        for index, match in enumerate(matches):
            origin = Provenance(route.key, (*path, "matches", index) if raw.get("matches") else path)
            age = (created, route.namespace, route.name, number, index)
            rules.append(Rule(_match(match), action, origin, age, filters.request_headers, filters.response_headers))
    if problems:
        first = problems[0]
        message = "; ".join(dict.fromkeys(item.message for item in problems))
        return tuple(rules), Condition("ResolvedRefs", False, first.problem, message), dropped
    return tuple(rules), Condition("ResolvedRefs", True, "ResolvedRefs", "all references resolve"), dropped


def _unusable(raw: RouteMatch) -> str:
    """Why no proxy can match this, or ""."""
    parts = [raw.get("path") or {}, *(raw.get("headers") or ()), *(raw.get("queryParams") or ())]
    for text in (part.get("value") or "" for part in parts if part.get("type") == "RegularExpression"):
        try:
            pattern(text)
        except PatternError as error:
            return f"{text!r} is no regular expression: {error}"
    return ""


def _match(raw: RouteMatch) -> Match:
    path = raw.get("path") or {}
    kinds = {"Exact": "exact", "RegularExpression": "regex"}
    return Match(
        PathMatch(kinds.get(path.get("type", ""), "prefix"), path.get("value") or "/"),  # type: ignore[arg-type]
        raw.get("method") or "",
        _values(raw.get("headers") or (), lower=True),
        _values(raw.get("queryParams") or (), lower=False),
    )


def _values(raw: Iterable[HeaderMatch | QueryMatch], *, lower: bool) -> tuple[ValueMatch, ...]:
    """ "If multiple entries specify equivalent names, only the first entry … MUST be considered for a match." """
    first: dict[str, ValueMatch] = {}
    for item in raw:
        name = item["name"].lower() if lower else item["name"]
        first.setdefault(name, ValueMatch(name, item["value"], item.get("type") == "RegularExpression"))
    return tuple(first.values())


def _action(route: HTTPRoute, path: Path, raw: RouteRule, filters: _Filters, sources: Sources, fetch: Fetch) -> Action:
    if filters.unknown:
        # "the filter MUST NOT be skipped. Instead, requests that would have been processed by that filter MUST receive
        # a HTTP error response" (HTTPRouteRule.filters)
        return Respond(500)
    if filters.redirect is not None:
        return filters.redirect
    backends: list[Backend] = []
    for index, ref in enumerate(raw.get("backendRefs") or ()):
        own = _Filters(route, (*path, "backendRefs", index), ref.get("filters") or (), sources, fetch)
        found = resolve(route.key, ref, sources, fetch)
        weight = ref.get("weight")
        backends.append(
            Backend(
                found.service,
                found.port,
                1 if weight is None else weight,
                Provenance(route.key, (*path, "backendRefs", index)),
                found.problem or ("UnsupportedFilter" if own.unknown else ""),
                own.request_headers,
                own.response_headers,
            )
        )
    timeouts = raw.get("timeouts") or {}
    return Forward(
        tuple(backends),
        filters.rewrite,
        tuple(filters.mirrors),
        seconds(timeouts.get("request") or ""),
        seconds(timeouts.get("backendRequest") or ""),
    )


def _backend_problems(route: HTTPRoute, path: Path, raw: RouteRule, sources: Sources, fetch: Fetch) -> list[Reference]:
    found = [resolve(route.key, ref, sources, fetch) for ref in raw.get("backendRefs") or ()]
    return [item for item in found if item.problem]


class _Filters:
    """The filters of one rule or backend, read in order."""

    def __init__(
        self, route: HTTPRoute, path: Path, raw: Iterable[RouteFilter], sources: Sources, fetch: Fetch
    ) -> None:
        self.request_headers: HeaderEdit | None = None
        self.response_headers: HeaderEdit | None = None
        self.redirect: Redirect | None = None
        self.rewrite: Rewrite | None = None
        self.mirrors: list[Mirror] = []
        self.problems: list[Reference] = []
        self.unknown = False
        for index, item in enumerate(raw):
            match item.get("type"):
                case "RequestHeaderModifier":
                    self.request_headers = _header_edit(item["requestHeaderModifier"])
                case "ResponseHeaderModifier":
                    self.response_headers = _header_edit(item["responseHeaderModifier"])
                case "RequestRedirect":
                    self.redirect = _redirect(item["requestRedirect"])
                case "URLRewrite":
                    spec = item["urlRewrite"]
                    self.rewrite = Rewrite(spec.get("hostname") or "", _path_edit(spec.get("path")))
                case "RequestMirror":
                    self._mirror(route, (*path, "filters", index), item["requestMirror"], sources, fetch)
                case kind:
                    self.unknown = True
                    message = f"filter type {kind} is not supported"
                    self.problems.append(Reference(route.key, 0, "InvalidKind", message))

    def _mirror(self, route: HTTPRoute, path: Path, spec: RequestMirror, sources: Sources, fetch: Fetch) -> None:
        found = resolve(route.key, spec["backendRef"], sources, fetch)
        if found.problem:
            self.problems.append(found)
            return
        fraction = 1.0
        if spec.get("percent") is not None:
            fraction = spec["percent"] / 100
        elif spec.get("fraction"):
            fraction = spec["fraction"]["numerator"] / (spec["fraction"].get("denominator") or 100)
        self.mirrors.append(Mirror(found.service, found.port, Provenance(route.key, path), fraction))


def _header_edit(raw: HeaderModifier) -> HeaderEdit:
    def pairs(headers: list[Header] | None) -> tuple[tuple[str, str], ...]:
        return tuple((item["name"].lower(), item["value"]) for item in headers or ())

    return HeaderEdit(
        pairs(raw.get("set")), pairs(raw.get("add")), tuple(name.lower() for name in raw.get("remove") or ())
    )


def _redirect(raw: RequestRedirect) -> Redirect:
    return Redirect(
        raw.get("scheme") or "",
        raw.get("hostname") or "",
        raw.get("port") or 0,
        _path_edit(raw.get("path")),
        raw.get("statusCode") or 302,
    )


def _path_edit(raw: PathModifier | None) -> PathEdit | None:
    if not raw:
        return None
    if raw.get("type") == "ReplaceFullPath":
        return PathEdit("full", raw.get("replaceFullPath") or "/")
    return PathEdit("prefix", raw.get("replacePrefixMatch") or "/")


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """A Gateway API duration ("1h30m", "500ms"; GEP-2257) in seconds; "" is 0."""
    return sum(int(amount) * _UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|h|m|s)", duration))
