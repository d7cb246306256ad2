"""Rules of HTTPRoutes and GRPCRoutes: what both kinds have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2s
from typing import TYPE_CHECKING, Any

from sealane.kube.objects import Key
from sealane.kube.regex import PatternError, pattern
from sealane.network.provenance import Provenance
from sealane.network.routes.backends import Reference, resolve
from sealane.network.routes.filters.session import Session
from sealane.network.routes.gateway_api.filters import Filters, Path
from sealane.network.routes.model.http import Backend, Use
from sealane.network.routes.model.matches import ValueMatch
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesMatchesHeaders as GRPCHeaderMatch
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesSessionPersistence as SessionPersistence
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefs as BackendRef
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatchesHeaders as HeaderMatch
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesMatchesQueryParams as QueryMatch


def backends(
    route: Key,
    path: Path,
    refs: Iterable[BackendRef],
    sources: Sources,
    fetch: Fetch,
    use: Use = "http",
) -> tuple[tuple[Backend, ...], list[Reference]]:
    """The backends of the rule at `path`, and what is wrong with their references."""
    found: list[Backend] = []
    problems: list[Reference] = []
    for index, ref in enumerate(refs):
        at: Path = (*path, "backendRefs", index)
        own = Filters(route, at, ref.get("filters") or (), sources, fetch, use)
        to = resolve(route, ref, sources, fetch)
        problems += [to] if to.problem else []
        problem = to.problem or ("UnsupportedFilter" if own.unknown else "")
        problems += own.problems
        if not problem and (beyond := own.beyond()):
            problem = "UnsupportedFilter"
            problems.append(Reference(route, 0, "InvalidKind", f"{beyond} is not supported for a single backend"))
        weight = ref.get("weight")
        found.append(
            Backend(
                to.service,
                to.port,
                1 if weight is None else weight,
                Provenance(route, at),
                problem,
                own.request_headers,
                own.response_headers,
                use,
                own.rewrite,
                503 if use == "grpc" else 500,
            )
        )
    return tuple(found), problems


def values(
    raw: Iterable[HeaderMatch] | Iterable[GRPCHeaderMatch] | Iterable[QueryMatch], *, lower: bool
) -> tuple[ValueMatch, ...]:
    """ "If multiple entries specify equivalent names, only the first entry … MUST be considered for a match." """
    first: dict[str, ValueMatch] = {}
    for item in raw:
        name = item["name"].lower() if lower else item["name"]
        first.setdefault(name, ValueMatch(name, item["value"], item.get("type") == "RegularExpression"))
    return tuple(first.values())


def bad_pattern(texts: Sequence[str]) -> str:
    """Why no proxy can match one of these regular expressions, or ""."""
    for text in texts:
        try:
            pattern(text)
        except PatternError as error:
            return f"{text!r} is no regular expression: {error}"
    return ""


def session(
    route: Key, number: int, raw: SessionPersistence | None, found: Sequence[Backend]
) -> tuple[Session | None, list[Reference]]:
    """What rule `number` says of clients that keep their endpoint, or what of it cannot be done: then the rule must
    not be served without it."""
    if raw is None:
        return None, []
    said: Mapping[str, Any] = raw
    cookie = said.get("type", "Cookie") == "Cookie"
    # Until v1.6 the name and the lifetime of a cookie stood elsewhere.
    parts = said.get("cookie" if cookie else "header") or said.get("cookieConfig") or {}
    lifetime = seconds(said.get("absoluteTimeout") or "")
    wrong = "sessionPersistence over several backends" if sum(each.weight > 0 for each in found) > 1 else ""
    wrong = wrong or ("sessionPersistence.idleTimeout" if said.get("idleTimeout") else "")
    if lifetime and not (cookie and parts.get("lifetimeType") == "Permanent"):
        wrong = wrong or "sessionPersistence.absoluteTimeout without a Permanent cookie"
    if wrong:
        return None, [Reference(route, 0, "UnsupportedValue", f"{wrong} is not supported")]
    own = f"session-{blake2s(f'{route} {number}'.encode(), digest_size=4).hexdigest()}"
    name = parts.get("name") or said.get("sessionName") or own
    return Session("Cookie" if cookie else "Header", name, lifetime, parts.get("path") or "/"), []


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """A Gateway API duration ("1h30m", "500ms"; GEP-2257) in seconds; "" is 0."""
    return sum(int(amount) * _UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|h|m|s)", duration))
