"""Virtual hosts of the routing model as Envoy scopes with their route configuration inline.

Scoped routes (SRDS) are found by hash: one exact hostname among 30,000 costs one hostname, on the wire and in every
worker. The wildcard hostnames of a port, which are few, share one scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from sealane.dataplane.envoy import names
from sealane.dataplane.envoy.filters import (
    cors,
    external_auth,
    headers,
    limit,
    mirror,
    ranges,
    redirect,
    retry,
    rewrite,
    session,
)
from sealane.dataplane.envoy.packing import pack
from sealane.kube.objects import Key
from sealane.network.routes.backends import of_backend
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.redirect import WELL_KNOWN, Redirect
from sealane.network.routes.hosts import ANY
from sealane.network.routes.model.http import Backend, Forward, Respond, Rule, VirtualHost
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.matches import Match, ValueMatch
from sealane.network.routes.model.tls import Chain


def scope(host: VirtualHost, chain: Chain | None = None) -> scoped_route_pb2.ScopedRouteConfiguration:
    """An exact hostname: what a request with its scope key gets. chain: the HTTPS listener that it belongs to."""
    return _scope(names.scope(host.key, chain), [_virtual_host(host, ["*"], chain)])


def wildcard_scope(
    hosts: Sequence[VirtualHost], chain: Chain | None = None
) -> scoped_route_pb2.ScopedRouteConfiguration:
    """All wildcard hostnames of one port (or HTTPS listener), and any: what a request gets whose host has no scope of
    its own."""
    by_name = {host.key.hostname: host for host in hosts}
    any_host = by_name.get(ANY)
    made: list[pb.VirtualHost] = []
    for host in hosts:
        domains = [host.key.hostname or "*"]
        if host.key.proxy == INGRESS_PROXY and host.key.hostname:
            made.append(_single_label(host, domains, any_host, chain))
        else:
            made.append(_virtual_host(host, domains, chain))
    return _scope(f"{names.entry(hosts[0].key.proxy, hosts[0].key.port, chain)}/*", made)


def _scope(name: str, virtual_hosts: Sequence[pb.VirtualHost]) -> scoped_route_pb2.ScopedRouteConfiguration:
    key = scoped_route_pb2.ScopedRouteConfiguration.Key(
        fragments=[scoped_route_pb2.ScopedRouteConfiguration.Key.Fragment(string_key=name)]
    )
    return scoped_route_pb2.ScopedRouteConfiguration(
        name=name,
        key=key,
        route_configuration=route_pb2.RouteConfiguration(
            name=name,
            virtual_hosts=virtual_hosts,
            request_headers_to_remove=[names.SCOPE_HEADER],
            # A request that found its scope needs no search for one.
            typed_per_filter_config={names.HOSTS_FILTER: _DISABLED},
            ignore_port_in_host_matching=True,
            # A reference that does not resolve names a cluster that does not exist, and is answered with 500.
            validate_clusters={"value": False},
        ),
    )


def renamed(body: bytes, suffix: str) -> bytes:
    """An encoded scope whose route configuration has another name.

    Envoy keeps the good scopes of a response that it refused for a bad one, without using them, and takes an equal one
    for known. One that differs is used.
    """
    made = scoped_route_pb2.ScopedRouteConfiguration.FromString(body)
    made.route_configuration.name += f"#{suffix}"
    encoded: bytes = made.SerializeToString(deterministic=True)
    return encoded


def _virtual_host(host: VirtualHost, domains: Sequence[str], chain: Chain | None = None) -> pb.VirtualHost:
    """The last route answers 404: a request that found its hostname looks no further."""
    scheme = "http" if chain is None else "https"
    made = [*_routes(host.rules, host, scheme), _NOT_FOUND]
    return pb.VirtualHost(name=names.scope(host.key), domains=domains, routes=made)


def _single_label(
    host: VirtualHost, domains: Sequence[str], any_host: VirtualHost | None, chain: Chain | None
) -> pb.VirtualHost:
    """An Ingress wildcard, which stands for one label only where Envoy's stands for one or more: its routes ask for the
    one label, and what has more falls to the routes of any host."""
    one_label = _authority(rf"(?i)[^.]+{re.escape(host.key.hostname[1:])}(:\d+)?")
    made = _virtual_host(host, domains, chain)
    for item in made.routes:
        item.match.headers.append(one_label)
    if any_host is not None:
        made.routes.extend(_routes(any_host.rules, host, "http" if chain is None else "https"))
    made.routes.append(_NOT_FOUND)
    return made


def _routes(rules: Iterable[Rule], host: VirtualHost, scheme: str = "http") -> Iterator[pb.Route]:
    for rule in rules:
        if rule.cors is not None and not (isinstance(rule.action, Forward) and rule.action.usable):
            yield _preflight(rule, host, scheme)
        if isinstance(rule.action, Redirect) and redirect.keeps_port(rule.action, host.key, scheme):
            with_port = route(rule, host, scheme)
            with_port.match.headers.append(_authority(r".*:\d+"))
            if rule.action.scheme not in ("", scheme):  # Envoy leaves out the port that was well known
                with_port.match.headers.append(_authority(rf".*:{WELL_KNOWN[scheme]}", but=True))
            with_port.redirect.CopyFrom(redirect.redirect(rule.action, rule.match.path, host.key, scheme, named=True))
            yield with_port
        yield route(rule, host, scheme)


def _authority(pattern: str, *, but: bool = False) -> pb.HeaderMatcher:
    made = pb.HeaderMatcher(name=":authority", invert_match=but)
    made.string_match.safe_regex.regex = pattern
    return made


_DISABLED = pack(pb.FilterConfig(disabled=True))
_NOT_FOUND = pb.Route(name="none", match=pb.RouteMatch(prefix=""), direct_response=pb.DirectResponseAction(status=404))


def route(rule: Rule, host: VirtualHost, scheme: str = "http") -> pb.Route:
    """One rule of a virtual host.

    Route names are the rule's provenance, so Envoy's own logs and stats can be read with the manifests.
    """
    made = pb.Route(name=str(rule.origin), match=match(rule.match))
    headers.edit(made, None if _each_backend(rule) else rule.request_headers, rule.response_headers)
    if rule.cors is not None:
        for name, value in cors.per_route(rule.cors).items():
            made.typed_per_filter_config[name].CopyFrom(pack(value))
    if rule.ranges is not None:
        made.typed_per_filter_config[ranges.FILTER].CopyFrom(pack(ranges.per_route(rule.ranges)))
    if rule.limits:
        made.typed_per_filter_config[limit.FILTER].CopyFrom(pack(limit.per_route(rule.limits)))
    if rule.auth is not None:
        asked = external_auth.per_route(rule.auth, host.key.proxy)
        made.typed_per_filter_config[external_auth.FILTER].CopyFrom(pack(asked))
    action = rule.action
    if isinstance(action, Respond):
        made.direct_response.status = action.status
        if action.body:
            made.direct_response.body.inline_string = action.body
        if action.location:
            made.response_headers_to_add.append(redirect.location(action.location, host.key, scheme))
    elif isinstance(action, Redirect):
        made.redirect.CopyFrom(redirect.redirect(action, rule.match.path, host.key, scheme))
    elif action.usable:
        made.route.CopyFrom(_forward(action, rule, host))
        if not (action.backend_timeout or action.retry):  # which end a try, or say it all
            made.request_headers_to_add.append(retry.AGAIN)
        if action.session is not None:
            made.typed_per_filter_config[session.FILTER].CopyFrom(pack(session.per_route(action.session)))
    else:
        made.direct_response.status = action.refusal
    return made


def _each_backend(rule: Rule) -> bool:
    """Whether a backend has changes of its own. They come after those of the rule, which Envoy makes last: so each
    backend has both."""
    return isinstance(rule.action, Forward) and any(each.request_headers for each in rule.action.backends)


def _preflight(rule: Rule, host: VirtualHost, scheme: str) -> pb.Route:
    """Preflights of a rule that sends nothing to a backend. Envoy asks the filter only where there is one."""
    made = route(rule, host, scheme)
    made.match.headers.append(_header(ValueMatch(":method", "OPTIONS")))
    for name in ("origin", "access-control-request-method"):
        made.match.headers.append(pb.HeaderMatcher(name=name, present_match=True))
    made.route.cluster = names.NO_CLUSTER
    return made


def match(match: Match) -> pb.RouteMatch:
    made = pb.RouteMatch()
    prefix = match.path.value.rstrip("/")
    match match.path.kind:
        case "exact":
            made.path = match.path.value
        case "regex":
            made.safe_regex.CopyFrom(regex_pb2.RegexMatcher(regex=match.path.value))
        case "prefix" if prefix:
            made.path_separated_prefix = prefix
        case "prefix":
            made.prefix = "/"
        case "start":
            made.prefix = match.path.value
    if match.method:
        made.headers.append(_header(ValueMatch(":method", match.method)))
    made.headers.extend(_header(item) for item in match.headers)
    made.query_parameters.extend(
        pb.QueryParameterMatcher(name=item.name, string_match=_string(item)) for item in match.query
    )
    return made


def _header(item: ValueMatch) -> pb.HeaderMatcher:
    name = ":authority" if item.name == "host" else item.name
    if item.above is not None:
        above = pb.HeaderMatcher(name=name)
        above.range_match.start, above.range_match.end = item.above + 1, 2**63 - 1
        return above
    return pb.HeaderMatcher(name=name, string_match=_string(item))


def _string(item: ValueMatch) -> string_pb2.StringMatcher:
    if item.regex:
        return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=item.value))
    return string_pb2.StringMatcher(exact=item.value)


def _forward(action: Forward, rule: Rule, host: VirtualHost) -> pb.RouteAction:
    made = pb.RouteAction(
        cluster_not_found_response_code=pb.RouteAction.SERVICE_UNAVAILABLE
        if action.refusal == 503
        else pb.RouteAction.INTERNAL_SERVER_ERROR,
        timeout=retry.duration(action.request_timeout),
        idle_timeout=retry.duration(action.idle_timeout) if action.idle_timeout else None,
        retry_policy=retry.policy(action.retry, action.backend_timeout),
        request_mirror_policies=[mirror.policy(item, host.key.proxy) for item in action.mirrors],
    )
    proxy = host.key.proxy if host.shows is not None else None
    usable = action.usable
    if len(usable) == 1 and not (usable[0].request_headers or usable[0].response_headers or usable[0].rewrite):
        made.cluster = _cluster(usable[0], proxy)
    else:
        before = rule.request_headers if _each_backend(rule) else None
        made.weighted_clusters.clusters.extend(_weighted(backend, proxy, before) for backend in usable)
    authority = action.rewrite.hostname if action.rewrite else ""
    for name, value in rule.request_headers.set if rule.request_headers else ():
        authority = value if name == "host" else authority
    if authority:
        made.host_rewrite_literal = authority
    if action.rewrite and action.rewrite.path:
        rewrite.edit_path(made, action.rewrite.path, rule.match.path)
    return made


def _cluster(backend: Backend, proxy: Key | None) -> str:
    return names.NO_CLUSTER if backend.problem else names.cluster(of_backend(backend, proxy))


def _weighted(backend: Backend, proxy: Key | None, before: HeaderEdit | None) -> pb.WeightedCluster.ClusterWeight:
    made = pb.WeightedCluster.ClusterWeight(name=_cluster(backend, proxy), weight={"value": backend.weight})
    own = backend.request_headers
    headers.edit(made, before.then(own) if before and own else own or before, backend.response_headers)
    if backend.rewrite is not None and backend.rewrite.hostname:
        made.host_rewrite_literal = backend.rewrite.hostname
    return made
