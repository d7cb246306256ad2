"""HTTPRoute: its rules in the routing model.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `HTTPRoute`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.network.provenance import Provenance
from sealane.network.routes.backends import Reference
from sealane.network.routes.filters.retry import Retry
from sealane.network.routes.gateway_api.attachment import BoundRoute, age_of, attach, bound, resolved_refs
from sealane.network.routes.gateway_api.contests import Refused, without_refused
from sealane.network.routes.gateway_api.filters import Filters, Path
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.gateway_api.rules import backends, bad_pattern, seconds, session, values
from sealane.network.routes.model.http import Action, Forward, Respond, Rule
from sealane.network.routes.model.matches import Match, PathMatch
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import HTTPRoute
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRules as RouteRule
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatches as RouteMatch
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesRetry as RouteRetry

EVERYTHING: RouteRule = {}
"""The API's default is one rule that matches everything and has no backend."""
DEFAULT_ATTEMPTS = 2


def bind(
    route: HTTPRoute,
    sources: Sources,
    listeners: Collection[ListenerKey, GatewayListener],
    refused: Refused,
    fetch: Fetch,
) -> BoundRoute | None:
    """None for a route none of whose parents is ours."""
    attached = without_refused(route.key, attach(route, sources, listeners, fetch), refused, fetch)
    if not attached:
        return None
    rules, problems, dropped = compile_rules(route, sources, fetch)
    return bound(route, attached, rules, resolved_refs(problems), dropped)


def compile_rules(
    route: HTTPRoute, sources: Sources, fetch: Fetch
) -> tuple[tuple[Rule, ...], list[Reference], list[str]]:
    """The route's rules, one for each match, what is wrong with its references, and why rules were dropped."""
    dropped: list[str] = []
    rules: list[Rule] = []
    problems: list[Reference] = []
    for number, raw in enumerate(route.spec.get("rules") or [EVERYTHING]):
        path: Path = ("spec", "rules", number)
        reasons = [reason for match in raw.get("matches") or () if (reason := _unusable(match))]
        if reasons:
            dropped += [f"spec.rules[{number}]: {reason}" for reason in reasons]
            continue
        filters = Filters(route.key, path, raw.get("filters") or (), sources, fetch)
        action, wrong = _action(route, path, raw, filters, sources, fetch)
        problems += [*filters.problems, *wrong]
        matches: list[RouteMatch] = raw.get("matches") or [{}]
        for index, match in enumerate(matches):
            rules.append(
                Rule(
                    _match(match),
                    action,
                    Provenance(route.key, (*path, "matches", index) if raw.get("matches") else path),
                    (*age_of(route), number, index),
                    filters.request_headers,
                    filters.response_headers,
                    filters.cors,
                    raw.get("name") or "",
                    auth=filters.auth,
                )
            )
    return tuple(rules), problems, dropped


def _unusable(raw: RouteMatch) -> str:
    """Why no proxy can match this, or ""."""
    parts = [raw.get("path") or {}, *(raw.get("headers") or ()), *(raw.get("queryParams") or ())]
    return bad_pattern([part.get("value") or "" for part in parts if part.get("type") == "RegularExpression"])


def _match(raw: RouteMatch) -> Match:
    path = raw.get("path") or {}
    kinds = {"Exact": "exact", "RegularExpression": "regex"}
    return Match(
        PathMatch(kinds.get(path.get("type", ""), "prefix"), path.get("value") or "/"),  # type: ignore[arg-type]
        raw.get("method") or "",
        values(raw.get("headers") or (), lower=True),
        values(raw.get("queryParams") or (), lower=False),
    )


def _action(
    route: HTTPRoute, path: Path, raw: RouteRule, filters: Filters, sources: Sources, fetch: Fetch
) -> tuple[Action, list[Reference]]:
    if filters.unknown:
        # "the filter MUST NOT be skipped. Instead, requests that would have been processed by that filter MUST receive
        # a HTTP error response" (HTTPRouteRule.filters)
        return Respond(500), []
    if filters.redirect is not None:
        return filters.redirect, []
    found, problems = backends(route.key, path, raw.get("backendRefs") or (), sources, fetch)
    kept, wrong = session(route.key, int(path[-1]), raw.get("sessionPersistence"), found)
    if wrong:
        return Respond(500), [*problems, *wrong]
    timeouts = raw.get("timeouts") or {}
    forward = Forward(
        found,
        filters.rewrite,
        tuple(filters.mirrors),
        seconds(timeouts.get("request") or ""),
        seconds(timeouts.get("backendRequest") or ""),
        _retry(raw.get("retry")),
        kept,
    )
    return forward, problems


def _retry(raw: RouteRetry | None) -> Retry | None:
    if raw is None:
        return None
    return Retry(
        tuple(raw.get("codes") or ()), raw.get("attempts") or DEFAULT_ATTEMPTS, seconds(raw.get("backoff") or "")
    )
