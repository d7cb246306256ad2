"""A proxy's treatment of one request, and the reasons: the routing model evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Template
from typing import Protocol

from sealane.kube.objects import Key
from sealane.kube.regex import pattern
from sealane.network.reason import Reason
from sealane.network.routes import hosts
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.model.http import Backend, Forward, HostKey, Respond, Rule, VirtualHost
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.matches import Match, PathMatch, ValueMatch


@dataclass(frozen=True, slots=True)
class Request:
    """path includes the query string. headers: (name, value) pairs; names in any case. scheme: "https" over TLS.
    client: its address as the proxy sees it, "" for one that is not known."""

    proxy: Key
    port: int
    host: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    scheme: str = "http"
    client: str = ""


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """The decision on a request.

    status: 0 when it goes to a backend (of a rule with an authorizer: once that says 200); else what the proxy answers
    (404, 500, a redirect's code, …).
    backends: its possible targets; a Backend with a `problem` is a share of 500s. location: of a redirect.
    request: as the backend sees it, after rewrites and header changes. reasons: in the order in which things happen.
    """

    virtual_host: VirtualHost | None
    rule: Rule | None
    backends: tuple[Backend, ...]
    status: int
    request: Request
    location: str = ""
    reasons: tuple[Reason, ...] = ()


class Hosts(Protocol):
    """Virtual hosts by key: a dict, or a collection."""

    def get(self, key: HostKey, /) -> VirtualHost | None: ...


def evaluate(model: Hosts, request: Request) -> RouteDecision:
    """The proxy's decision on `request`, and its reasons. Rules and backends see its host without a dot at its end, and
    its path normalised."""
    request = replace(request, host=hosts.undotted(request.host), path=normalized(request.path))
    reasons: list[Reason] = []
    found = _virtual_host(model, request, reasons)
    if found is None:
        reasons.append(Reason(f"no listener on port {request.port} serves host {request.host!r}: 404"))
        return RouteDecision(None, None, (), 404, request, reasons=tuple(reasons))
    for rule in found.rules:
        reason = mismatch(rule.match, request)
        if reason:
            reasons.append(Reason(f"rule does not match: {reason}", rule.origin))
            continue
        reasons.append(Reason(f"rule matches: {describe(rule.match)}", rule.origin))
        return _decide(found, rule, request, reasons)
    reasons.append(Reason("no rule of this host matches: 404"))
    return RouteDecision(found, None, (), 404, request, reasons=tuple(reasons))


def _virtual_host(model: Hosts, request: Request, reasons: list[Reason]) -> VirtualHost | None:
    # In an Ingress a wildcard stands for exactly one label, in Gateway API for one or more.
    for hostname in hosts.candidates(request.host, single_label=request.proxy == INGRESS_PROXY):
        found = model.get(HostKey(request.proxy, request.port, hostname))
        if found is not None:
            reasons.append(Reason(f"host {request.host!r} is served by virtual host {hostname or '* (any host)'!r}"))
            return found
    return None


def _decide(found: VirtualHost, rule: Rule, request: Request, reasons: list[Reason]) -> RouteDecision:
    seen = request
    if rule.cors is not None and (said := rule.cors.preflight(request.method, _first(request))):
        reasons.append(Reason(f"a preflight request, which the proxy answers itself with 200: {said}", rule.origin))
        return RouteDecision(found, rule, (), 200, seen, reasons=tuple(reasons))
    if rule.auth is not None:
        reasons.append(Reason(str(rule.auth), rule.auth.origin))
    if rule.request_headers is not None:
        seen = replace(seen, headers=rule.request_headers.apply(seen.headers))
    match rule.action:
        case Respond(status, _, ""):
            reasons.append(Reason(f"answered by the proxy: {status}", rule.origin))
            return RouteDecision(found, rule, (), status, seen, reasons=tuple(reasons))
        case Respond(status, _, template):
            location = _filled(template, request)
            reasons.append(Reason(f"redirected with {status} to {location}", rule.origin))
            return RouteDecision(found, rule, (), status, seen, location, tuple(reasons))
        case Redirect() as redirect:
            own = found.key.hostname
            host = request.host if hosts.is_wildcard(own) else own
            location = redirect.location(host, request.port, request.path, rule.match.path, request.scheme)
            reasons.append(Reason(f"redirected with {redirect.status} to {location}", rule.origin))
            return RouteDecision(found, rule, (), redirect.status, seen, location, tuple(reasons))
        case Forward() as forward:
            if rule.ranges is not None:
                reasons.append(Reason(f"{rule.ranges}", rule.origin))
                if request.client and not rule.ranges.admits(request.client):
                    reasons.append(Reason(f"{request.client} is none of them: 403", rule.origin))
                    return RouteDecision(found, rule, (), 403, seen, reasons=tuple(reasons))
            reasons += [Reason(str(limit), rule.origin) for limit in rule.limits]
            if forward.rewrite is not None:
                host, path = forward.rewrite.apply(seen.host, seen.path, rule.match.path)
                seen = replace(seen, host=host, path=path)
                reasons.append(Reason(f"rewritten to {seen.host}{seen.path}", rule.origin))
            if forward.retry is not None:
                reasons.append(Reason(str(forward.retry), rule.origin))
            if forward.session is not None:
                reasons.append(Reason(str(forward.session), rule.origin))
            usable = forward.usable
            if not usable:
                reasons.append(Reason(f"no backend with a weight above 0: {forward.refusal}", rule.origin))
                return RouteDecision(found, rule, (), forward.refusal, seen, reasons=tuple(reasons))
            total = sum(backend.weight for backend in usable)
            for backend in usable:
                share = f"{backend.weight}/{total}" if len(usable) > 1 else "all"
                target = f"Service {backend.service.namespace}/{backend.service.name} port {backend.port}"
                outcome = f": {backend.refusal}, {backend.problem}" if backend.problem else ""
                reasons.append(Reason(f"{share} of requests go to {target}{outcome}", backend.origin))
            status = usable[0].refusal if all(backend.problem for backend in usable) else 0
            return RouteDecision(found, rule, usable, status, seen, reasons=tuple(reasons))


def _filled(template: str, request: Request) -> str:
    """The Location header of `Respond.location`."""
    known = {
        "scheme": request.scheme,
        "host": hosts.strip_port(request.host),
        "http_host": request.host,
        "request_uri": request.path,
    }
    return Template(template).substitute(known)


def as_seen(request: Request, backend: Backend) -> Request:
    """The request that its rule has decided on, as one of its backends sees it."""
    if backend.request_headers is not None:
        request = replace(request, headers=backend.request_headers.apply(request.headers))
    if backend.rewrite is not None:
        request = replace(request, host=backend.rewrite.hostname or request.host)
    return request


def mismatch(match: Match, request: Request) -> str:
    """Why `match` does not match, or ""."""
    path, _, query = request.path.partition("?")
    if not path_matches(match.path, path):
        return f"path {path} is not {_PATH_WORDS[match.path.kind]} {match.path.value}"
    if match.method and match.method != request.method:
        return f"method {request.method} is not {match.method}"
    if match.headers:
        reason = _values_mismatch("header", match.headers, _fields(request))
        if reason:
            return reason
    if match.query:
        first: dict[str, tuple[str, ...]] = {}
        for part in query.split("&"):  # as they are written: nothing is unescaped
            name, _, value = part.partition("=")
            first.setdefault(name, (value,))
        return _values_mismatch("query parameter", match.query, first)
    return ""


def _fields(request: Request) -> dict[str, tuple[str, ...]]:
    """The headers by lower-case name, each with its lines in order."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in (("host", request.host), *request.headers):
        name = name.lower()
        found[name] = (*found.get(name, ()), value) if name != "host" else (value,)
    return found


def _first(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in _fields(request).items()}


_UNRESERVED = frozenset("-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")


def normalized(path: str) -> str:
    """A path (with its query string) without dot segments and needless escapes: RFC 3986, 6.2.2.2 and 6.2.2.3.

    "//" and "%2F" stay as they are.
    """
    plain, mark, query = path.partition("?")
    if "%" in plain:
        plain = _ESCAPE.sub(lambda found: char if (char := chr(int(found[1], 16))) in _UNRESERVED else found[0], plain)
    if "/." in plain:
        kept: list[str] = []
        *inner, last = plain.removeprefix("/").split("/")
        for segment in (*inner, last):
            if segment == "..":
                del kept[-1:]
            elif segment != ".":
                kept.append(segment)
        plain = "/" + "/".join([*kept, ""] if last in (".", "..") else kept)
    return plain + mark + query


_PATH_WORDS = {"exact": "exactly", "prefix": "under", "start": "beginning with", "regex": "matched by"}


def path_matches(match: PathMatch, path: str) -> bool:
    """`path` without query string."""
    match match.kind:
        case "exact":
            return path == match.value
        case "prefix":
            prefix = match.value.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/") or not prefix
        case "start":
            return path.startswith(match.value)
        case "regex":
            return pattern(match.value).fullmatch(path) is not None


def _values_mismatch(what: str, wanted: tuple[ValueMatch, ...], values: Mapping[str, tuple[str, ...]]) -> str:
    """Of several headers of one name, any may be the one: `HTTPHeaderMatch` leaves that to implementations."""
    for match in wanted:
        found = values.get(match.name)
        if found is None:
            return f"{what} {match.name} is missing"
        if match.above is not None:
            if not any(value.isdecimal() and int(value) > match.above for value in found):
                return f"{what} {match.name} is {' and '.join(found)}, not above {match.above}"
            continue
        if not any(pattern(match.value).fullmatch(value) if match.regex else value == match.value for value in found):
            return f"{what} {match.name} is {' and '.join(map(repr, found))}, not {match.value!r}"
    return ""


def describe(match: Match) -> str:
    """ "path under /cart, method GET, header version=2"."""
    parts = [f"path {_PATH_WORDS[match.path.kind]} {match.path.value}"]
    if match.method:
        parts.append(f"method {match.method}")
    parts += [f"header {item}" for item in match.headers]
    parts += [f"query {item}" for item in match.query]
    return ", ".join(parts)
