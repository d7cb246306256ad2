"""The routing model: what a proxy does with a request, whichever resource said so.

Ingress, Gateway API and mesh resources compile to it; Envoy configuration is made from it; `evaluate` answers from it.
Its unit is one `VirtualHost` for each (proxy, port, hostname), so one route among ten thousand costs one virtual host.

Order of rules: https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule (`HTTPRouteRule.matches`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts


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
    """Parts left empty (port 0) stay as requested. Source: `HTTPRequestRedirectFilter`."""

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
