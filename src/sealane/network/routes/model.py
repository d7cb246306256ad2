"""The routing model: what a proxy does with a request, whichever resource said so.

Ingress, Gateway API and mesh resources compile to it; Envoy configuration is made from it; `evaluate` answers from it.
Its unit is one `VirtualHost` for each (proxy, port, hostname), so one route among ten thousand costs one virtual host.

Order of rules: https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule (`HTTPRouteRule.matches`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl

from sealane.kube.objects import Key
from sealane.network.routes import hosts


@dataclass(frozen=True, slots=True)
class Provenance:
    """The object and field that a value was made from; `origin.at(*path)` of that object gives file:line."""

    key: Key
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        field_path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return f"{self.key} {field_path.removeprefix('.')}".rstrip()


class HostKey(NamedTuple):
    """Where a virtual host lives: the proxy (a Gateway's key, or INGRESS_PROXY), its port, the hostname.

    hostname: exact, "*.suffix", or "" for any.
    """

    proxy: Key
    port: int
    hostname: str


INGRESS_PROXY = Key("networking.k8s.io", "Ingress", "sealane-system", "ingress")
"""The one proxy of all Ingresses of our class."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A place where requests arrive.

    proxy: key of the Gateway, or INGRESS_PROXY. hostname: "" for any.
    rivals: hostnames of the proxy's other listeners on this port: a request belongs to the most specific one alone.
    """

    proxy: Key
    name: str
    port: int
    protocol: Literal["HTTP", "HTTPS"]
    hostname: str
    origin: Provenance
    rivals: tuple[str, ...] = ()

    def owns(self, hostname: str) -> bool:
        """Whether requests for `hostname` arrive here and not at a listener with a more specific hostname.

        GEP-1713 and `Listener.hostname`: "requests SHOULD match at most one Listener".
        """
        if not hosts.matches(self.hostname, hostname):
            return False
        mine = hosts.specificity(self.hostname)
        return not any(hosts.matches(rival, hostname) and hosts.specificity(rival) > mine for rival in self.rivals)


# Matches


@dataclass(frozen=True, slots=True)
class PathMatch:
    """kind "prefix" matches whole path elements: /a matches /a and /a/b, not /ab. "regex" matches the whole path."""

    kind: Literal["exact", "prefix", "regex"] = "prefix"
    value: str = "/"


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A header (name in lower case) or a query parameter."""

    name: str
    value: str
    regex: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """All parts must hold."""

    path: PathMatch = PathMatch()
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()


# What happens to a request that matched


@dataclass(frozen=True, slots=True)
class HeaderEdit:
    """Names in lower case. `set` overwrites, `add` appends."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def apply(self, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        gone = {*self.remove, *(name for name, _ in self.set)}
        kept = tuple((name, value) for name, value in headers if name.lower() not in gone)
        return kept + self.set + self.add


@dataclass(frozen=True, slots=True)
class PathEdit:
    """Replaces the whole path, or the prefix that the rule matched (table at `HTTPPathModifier.replacePrefixMatch`)."""

    kind: Literal["full", "prefix"]
    value: str

    def apply(self, path: str, matched: PathMatch) -> str:
        if self.kind == "full":
            return self.value
        prefix = matched.value.rstrip("/") if matched.kind == "prefix" else matched.value
        return (self.value.rstrip("/") + path[len(prefix) :]) or "/"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """hostname "" keeps the Host header."""

    hostname: str = ""
    path: PathEdit | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One weighted target.

    service: the Service's key. port: a port number of that Service.
    problem: "" or why requests get 500 instead: BackendNotFound, RefNotPermitted, InvalidKind, UnsupportedProtocol.
    """

    service: Key
    port: int
    weight: int
    origin: Provenance
    problem: str = ""
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of the request goes to `service`, its answer is dropped. fraction: how many of 1 are copied."""

    service: Key
    port: int
    origin: Provenance
    fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class Redirect:
    """Parts left empty (port 0) stay as requested. `GEP: HTTPRequestRedirectFilter`."""

    scheme: str = ""
    hostname: str = ""
    port: int = 0
    path: PathEdit | None = None
    status: int = 302


@dataclass(frozen=True, slots=True)
class Respond:
    """The proxy answers itself."""

    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Goes to one of `backends` by weight. Nothing to choose from (none, or all weights 0) is answered with 500.

    Timeouts in seconds, 0 for none.
    """

    backends: tuple[Backend, ...]
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    request_timeout: float = 0.0
    backend_timeout: float = 0.0


Action = Forward | Redirect | Respond


@dataclass(frozen=True, slots=True)
class Rule:
    """One match and what follows from it.

    age: (creationTimestamp, namespace, name) of the route, then index of rule and match: what decides between equals.
    """

    match: Match
    action: Action
    origin: Provenance
    age: tuple[str, str, str, int, int]
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """All rules of one hostname at one port, in the order in which they are tried. Without a match: 404."""

    key: HostKey
    rules: tuple[Rule, ...]


_PATH_ORDER = {"exact": 0, "regex": 1, "prefix": 2}


def precedence(rule: Rule) -> tuple[object, ...]:
    """Sort key of rules within one virtual host.

    HTTPRouteRule.matches: exact path, then the longest prefix, then method, then the number of header matches, then
    of query parameter matches; between equals the oldest route, then namespace/name, then the order in the route.
    Regular expressions have no place in that list ("implementation-specific"): ours come after exact paths and before
    prefixes, as who writes one wants it tried.
    """
    match = rule.match
    return (
        _PATH_ORDER[match.path.kind],
        -len(match.path.value.rstrip("/")),
        not match.method,
        -len(match.headers),
        -len(match.query),
        rule.age,
    )


def virtual_host(key: HostKey, rules: Iterable[Rule]) -> VirtualHost:
    """`rules` in the order in which they are tried."""
    return VirtualHost(key, tuple(sorted(rules, key=precedence)))


# Evaluation


@dataclass(frozen=True, slots=True)
class Request:
    """path includes the query string. headers: (name, value) pairs; names in any case."""

    proxy: Key
    port: int
    host: str
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    text: str
    origin: Provenance | None = None


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """What happens to a request.

    status: 0 when it goes to a backend; else what the proxy answers (404, 500, a redirect's code, …).
    backends: where it can go; a Backend with a `problem` is a share of 500s. location: of a redirect.
    request: as the backend sees it, after rewrites and header changes.
    """

    virtual_host: VirtualHost | None
    rule: Rule | None
    backends: tuple[Backend, ...]
    status: int
    request: Request
    location: str = ""
    steps: tuple[Step, ...] = ()


class Hosts(Protocol):
    """Virtual hosts by key: a dict, or a collection."""

    def get(self, key: HostKey, /) -> VirtualHost | None: ...


def evaluate(model: Hosts, request: Request) -> RouteDecision:
    """What the proxy does with `request`, and why."""
    steps: list[Step] = []
    found = _virtual_host(model, request, steps)
    if found is None:
        steps.append(Step(f"no listener on port {request.port} serves host {request.host!r}: 404"))
        return RouteDecision(None, None, (), 404, request, steps=tuple(steps))
    for rule in found.rules:
        reason = mismatch(rule.match, request)
        if reason:
            steps.append(Step(f"rule does not match: {reason}", rule.origin))
            continue
        steps.append(Step(f"rule matches: {describe(rule.match)}", rule.origin))
        return _decide(found, rule, request, steps)
    steps.append(Step("no rule of this host matches: 404"))
    return RouteDecision(found, None, (), 404, request, steps=tuple(steps))


def _virtual_host(model: Hosts, request: Request, steps: list[Step]) -> VirtualHost | None:
    # In an Ingress a wildcard stands for exactly one label, in Gateway API for one or more.
    for hostname in hosts.candidates(request.host, single_label=request.proxy == INGRESS_PROXY):
        found = model.get(HostKey(request.proxy, request.port, hostname))
        if found is not None:
            steps.append(Step(f"host {request.host!r} is served by virtual host {hostname or '* (any host)'!r}"))
            return found
    return None


def _decide(found: VirtualHost, rule: Rule, request: Request, steps: list[Step]) -> RouteDecision:
    seen = request
    if rule.request_headers is not None:
        seen = replace(seen, headers=rule.request_headers.apply(seen.headers))
    match rule.action:
        case Respond(status):
            steps.append(Step(f"answered by the proxy: {status}", rule.origin))
            return RouteDecision(found, rule, (), status, seen, steps=tuple(steps))
        case Redirect() as redirect:
            location = redirect_location(redirect, request, rule.match.path)
            steps.append(Step(f"redirected with {redirect.status} to {location}", rule.origin))
            return RouteDecision(found, rule, (), redirect.status, seen, location, tuple(steps))
        case Forward() as forward:
            if forward.rewrite is not None:
                seen = _rewritten(seen, forward.rewrite, rule.match.path)
                steps.append(Step(f"rewritten to {seen.host}{seen.path}", rule.origin))
            usable = tuple(backend for backend in forward.backends if backend.weight > 0)
            if not usable:
                steps.append(Step("no backend with a weight above 0: 500", rule.origin))
                return RouteDecision(found, rule, (), 500, seen, steps=tuple(steps))
            total = sum(backend.weight for backend in usable)
            for backend in usable:
                share = f"{backend.weight}/{total}" if len(usable) > 1 else "all"
                target = f"Service {backend.service.namespace}/{backend.service.name} port {backend.port}"
                outcome = f": 500, {backend.problem}" if backend.problem else ""
                steps.append(Step(f"{share} of requests go to {target}{outcome}", backend.origin))
            status = 500 if all(backend.problem for backend in usable) else 0
            return RouteDecision(found, rule, usable, status, seen, steps=tuple(steps))


def _rewritten(request: Request, rewrite: Rewrite, matched: PathMatch) -> Request:
    path, mark, query = request.path.partition("?")
    if rewrite.path is not None:
        path = rewrite.path.apply(path, matched)
    return replace(request, host=rewrite.hostname or request.host, path=path + mark + query)


def redirect_location(redirect: Redirect, request: Request, matched: PathMatch, scheme: str = "http") -> str:
    """The Location header. `HTTPRequestRedirectFilter.port`: without a port, a given scheme implies its well-known
    one, otherwise the listener's port is kept; a scheme's well-known port is not written."""
    path, mark, query = request.path.partition("?")
    if redirect.path is not None:
        path = redirect.path.apply(path, matched)
    to = redirect.scheme or scheme
    well_known = {"http": 80, "https": 443}.get(to, 0)
    port = redirect.port or (well_known if redirect.scheme else request.port)
    suffix = "" if port == well_known else f":{port}"
    return f"{to}://{redirect.hostname or hosts.strip_port(request.host)}{suffix}{path}{mark}{query}"


def mismatch(match: Match, request: Request) -> str:
    """Why `match` does not match, or ""."""
    path, _, query = request.path.partition("?")
    if not path_matches(match.path, path):
        return f"path {path} is not {_PATH_WORDS[match.path.kind]} {match.path.value}"
    if match.method and match.method != request.method:
        return f"method {request.method} is not {match.method}"
    if match.headers:
        joined: dict[str, str] = {}
        for name, value in (("host", request.host), *request.headers):
            name = name.lower()
            joined[name] = f"{joined[name]},{value}" if name in joined and name != "host" else value
        reason = _values_mismatch("header", match.headers, joined)
        if reason:
            return reason
    if match.query:
        first: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            first.setdefault(name, value)
        return _values_mismatch("query parameter", match.query, first)
    return ""


_PATH_WORDS = {"exact": "exactly", "prefix": "under", "regex": "matched by"}


def path_matches(match: PathMatch, path: str) -> bool:
    """`path` without query string."""
    match match.kind:
        case "exact":
            return path == match.value
        case "prefix":
            prefix = match.value.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/") or not prefix
        case "regex":
            return re.fullmatch(match.value, path) is not None


def _values_mismatch(what: str, wanted: tuple[ValueMatch, ...], values: Mapping[str, str]) -> str:
    for match in wanted:
        value = values.get(match.name)
        if value is None:
            return f"{what} {match.name} is missing"
        if not (re.fullmatch(match.value, value) if match.regex else value == match.value):
            return f"{what} {match.name} is {value!r}, not {match.value!r}"
    return ""


def describe(match: Match) -> str:
    """ "path under /cart, method GET, header version=2"."""
    parts = [f"path {_PATH_WORDS[match.path.kind]} {match.path.value}"]
    if match.method:
        parts.append(f"method {match.method}")
    parts += [f"header {item.name}{'~' if item.regex else '='}{item.value}" for item in match.headers]
    parts += [f"query {item.name}{'~' if item.regex else '='}{item.value}" for item in match.query]
    return ", ".join(parts)
