"""HTTP: virtual hosts with their rules, in the order in which they are tried.

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
from sealane.network.routes.filters.cors import Cors
from sealane.network.routes.filters.external_auth import ExternalAuth
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.limit import Limit
from sealane.network.routes.filters.mirror import Mirror
from sealane.network.routes.filters.ranges import Ranges
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.filters.retry import Retry
from sealane.network.routes.filters.rewrite import Rewrite
from sealane.network.routes.filters.session import Session
from sealane.network.routes.model.matches import Match
from sealane.network.routes.model.tls import Terminate


class HostKey(NamedTuple):
    """The place of a virtual host: the proxy (a Gateway's key, or INGRESS_PROXY), its port, the hostname.

    hostname: exact, "*.suffix", or "" for any.
    """

    proxy: Key
    port: int
    hostname: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A place where requests arrive.

    proxy: key of the Gateway, or INGRESS_PROXY. hostname: "" for any.
    rivals: hostnames of the proxy's other listeners on this port: a request belongs to the most specific one alone.
    tls: of an HTTPS listener, and of a TLS listener that does not pass it through.
    """

    proxy: Key
    name: str
    port: int
    protocol: Literal["HTTP", "HTTPS", "TLS", "TCP", "UDP"]
    hostname: str
    origin: Provenance
    rivals: tuple[str, ...] = ()
    tls: Terminate | None = None

    def owns(self, hostname: str) -> bool:
        """Whether requests for `hostname` arrive here and not at a listener with a more specific hostname.

        GEP-1713 and `Listener.hostname`: "requests SHOULD match at most one Listener".
        """
        if not hosts.matches(self.hostname, hostname):
            return False
        mine = hosts.specificity(self.hostname)
        return not any(hosts.matches(rival, hostname) and hosts.specificity(rival) > mine for rival in self.rivals)


# What happens to a request that matched


Use = Literal["http", "grpc", "tcp", "raw", "udp"]
"""How a proxy speaks to a backend: HTTP as its Service says, gRPC, a stream of bytes (raw: with a TLS of its own that
the proxy does not touch), or datagrams."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One weighted target.

    service: the Service's key. port: a port number of that Service.
    problem: "" or why requests get `refusal` instead: BackendNotFound, RefNotPermitted, InvalidKind, UnsupportedFilter.
    refusal: a status: HTTPRouteRule.backendRefs wants 500, GRPCRouteRule's UNAVAILABLE, which is 503 to who speaks no
    gRPC, and ingress-nginx has 503.
    """

    service: Key
    port: int
    weight: int
    origin: Provenance
    problem: str = ""
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    use: Use = "http"
    rewrite: Rewrite | None = None
    refusal: int = 500


@dataclass(frozen=True, slots=True)
class Respond:
    """The proxy answers itself. location: the header of that name, in which ${scheme}, ${host} (without its port),
    ${http_host} and ${request_uri} stand for those of the request."""

    status: int
    body: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Forward:
    """Goes to one of `backends` by weight. Nothing to choose from (none, or all weights 0) is answered with `refusal`,
    as with each of them.

    Timeouts in seconds, 0 for none; idle_timeout: while nothing is said. use: of all its backends.
    """

    backends: tuple[Backend, ...]
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    request_timeout: float = 0.0
    backend_timeout: float = 0.0
    retry: Retry | None = None
    session: Session | None = None
    use: Use = "http"
    refusal: int = 500
    idle_timeout: float = 0.0

    @property
    def usable(self) -> tuple[Backend, ...]:
        """Those that get requests."""
        return tuple(backend for backend in self.backends if backend.weight > 0)


Action = Forward | Redirect | Respond


@dataclass(frozen=True, slots=True)
class Rule:
    """One match and what follows from it. name: that its writer gave it. rank: its place in the order of rules, the
    lower the earlier, where its path does not say it.

    age: (creationTimestamp, namespace, name) of the route, then index of rule and match: the order among equals.
    """

    match: Match
    action: Action
    origin: Provenance
    age: tuple[str, str, str, int, int]
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    cors: Cors | None = None
    name: str = ""
    rank: tuple[int, int] | None = None
    ranges: Ranges | None = None
    limits: tuple[Limit, ...] = ()
    auth: ExternalAuth | None = None


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """All rules of one hostname at one port, in the order in which they are tried. Without a match: 404.

    shows: the Secret with the certificate that its proxy shows to backends over TLS.
    """

    key: HostKey
    rules: tuple[Rule, ...]
    shows: Key | None = None


_PATH_ORDER = {"exact": 0, "regex": 1, "prefix": 2, "start": 2}


def precedence(rule: Rule) -> tuple[object, ...]:
    """Sort key of rules within one virtual host.

    HTTPRouteRule.matches: exact path, then the longest prefix, then method, then the number of header matches, then
    of query parameter matches; between equals the oldest route, then namespace/name, then the order in the route.
    Regular expressions have no place in that list ("implementation-specific"): ours come after exact paths and before
    prefixes, as their writers want them tried.
    """
    match = rule.match
    return (
        rule.rank or (_PATH_ORDER[match.path.kind], -len(match.path.value.rstrip("/"))),
        not match.method,
        -len(match.headers),
        -len(match.query),
        rule.age,
    )


def virtual_host(key: HostKey, rules: Iterable[Rule], shows: Key | None = None) -> VirtualHost:
    """`rules` in the order in which they are tried."""
    return VirtualHost(key, tuple(sorted(rules, key=precedence)), shows)
