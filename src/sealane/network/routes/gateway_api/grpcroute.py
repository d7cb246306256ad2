"""GRPCRoute: its rules in the routing model. A call is a POST to /SERVICE/METHOD over HTTP/2.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `GRPCRoute`; the order of rules is at `GRPCRouteRule`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from sealane.network.provenance import Provenance
from sealane.network.routes.backends import Reference
from sealane.network.routes.gateway_api.attachment import BoundRoute, age_of, attach, bound, resolved_refs
from sealane.network.routes.gateway_api.contests import Refused, without_refused
from sealane.network.routes.gateway_api.filters import Filters, Path
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.gateway_api.rules import backends, bad_pattern, session, values
from sealane.network.routes.model.http import Action, Forward, Respond, Rule
from sealane.network.routes.model.matches import Match, PathMatch
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import GRPCRoute
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRules as RouteRule
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesMatches as RouteMatch
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesMatchesMethod as MethodMatch
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRules as HTTPRouteRule

EVERYTHING: RouteRule = {}


def bind(
    route: GRPCRoute,
    sources: Sources,
    listeners: Collection[ListenerKey, GatewayListener],
    refused: Refused,
    fetch: Fetch,
) -> BoundRoute | None:
    """None for a route none of whose parents is ours."""
    attached = without_refused(route.key, attach(route, sources, listeners, fetch), refused, fetch)
    if not attached:
        return None
    dropped: list[str] = []
    rules: list[Rule] = []
    problems: list[Reference] = []
    for number, raw in enumerate(route.spec.get("rules") or [EVERYTHING]):
        path: Path = ("spec", "rules", number)
        reasons = [reason for match in raw.get("matches") or () if (reason := _unusable(match))]
        if reasons:
            dropped += [f"spec.rules[{number}]: {reason}" for reason in reasons]
            continue
        # What a GRPCRoute can say of filters and backends, an HTTPRoute says in the same words.
        said = cast("HTTPRouteRule", raw)
        filters = Filters(route.key, path, said.get("filters") or (), sources, fetch, "grpc")
        found, wrong = backends(route.key, path, said.get("backendRefs") or (), sources, fetch, "grpc")
        kept, unkept = session(route.key, number, raw.get("sessionPersistence"), found)
        problems += [*filters.problems, *wrong, *unkept]
        action: Action = Forward(found, mirrors=tuple(filters.mirrors), session=kept, use="grpc", refusal=503)
        if filters.unknown or unkept:
            action = Respond(500)
        matches: list[RouteMatch] = raw.get("matches") or [{}]
        for index, match in enumerate(matches):
            rules.append(
                Rule(
                    Match(method_path(match.get("method")), headers=values(match.get("headers") or (), lower=True)),
                    action,
                    Provenance(route.key, (*path, "matches", index) if raw.get("matches") else path),
                    (*age_of(route), number, index),
                    filters.request_headers,
                    filters.response_headers,
                    name=raw.get("name") or "",
                    rank=_rank(match.get("method")),
                )
            )
    return bound(route, attached, rules, resolved_refs(problems), dropped)


def _unusable(raw: RouteMatch) -> str:
    """Why no proxy can match this, or ""."""
    method = raw.get("method") or {}
    parts = [*(raw.get("headers") or ())]
    texts = [part["value"] for part in parts if part.get("type") == "RegularExpression"]
    if method.get("type") == "RegularExpression":
        texts += [method.get("service") or "", method.get("method") or ""]
    return bad_pattern(texts)


def _rank(raw: MethodMatch | None) -> tuple[int, int]:
    """GRPCRouteRule.matches: the most characters in a matching service, then in a matching method."""
    method = raw or {}
    return -len(method.get("service") or ""), -len(method.get("method") or "")


def method_path(raw: MethodMatch | None) -> PathMatch:
    """The path of the calls that a match is for."""
    if not raw or not (raw.get("service") or raw.get("method")):
        return PathMatch()
    service, method = raw.get("service") or "", raw.get("method") or ""
    if raw.get("type") == "RegularExpression":
        return PathMatch("regex", f"/({service or '[^/]+'})/({method or '[^/]+'})")
    if service and method:
        return PathMatch("exact", f"/{service}/{method}")
    if service:
        return PathMatch("prefix", f"/{service}")
    return PathMatch("regex", f"/[^/]+/{re.escape(method)}")
