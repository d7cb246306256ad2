"""Virtual hosts of the routing model as Envoy scopes with their route configuration inline.

Scoped routes (SRDS) are found by hash: one exact hostname among 30,000 costs one hostname, on the wire and in every
worker. The wildcard hostnames of a port, which are few, share one scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import any_pb2, duration_pb2, message

from sealane.dataplane.envoy import names
from sealane.network.routes.backends import BackendKey
from sealane.network.routes.hosts import ANY
from sealane.network.routes.model import (
    INGRESS_PROXY,
    Backend,
    Forward,
    HeaderEdit,
    Match,
    Mirror,
    PathEdit,
    PathMatch,
    Redirect,
    Respond,
    Rule,
    ValueMatch,
    VirtualHost,
)

_WELL_KNOWN = {"http": 80, "https": 443}


def scope(host: VirtualHost) -> scoped_route_pb2.ScopedRouteConfiguration:
    """An exact hostname: what a request with its scope key gets."""
    return _scope(names.scope(host.key), [_virtual_host(host, ["*"])])


def wildcard_scope(hosts: Sequence[VirtualHost]) -> scoped_route_pb2.ScopedRouteConfiguration:
    """All wildcard hostnames of one port, and any: what a request gets whose host has no scope of its own."""
    by_name = {host.key.hostname: host for host in hosts}
    any_host = by_name.get(ANY)
    made: list[pb.VirtualHost] = []
    for host in hosts:
        domains = [host.key.hostname or "*"]
        if host.key.proxy == INGRESS_PROXY and host.key.hostname:
            made.append(_single_label(host, domains, any_host))
        else:
            made.append(_virtual_host(host, domains))
    return _scope(f"{names.port(hosts[0].key.proxy, hosts[0].key.port)}/*", made)


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


def _virtual_host(host: VirtualHost, domains: Sequence[str]) -> pb.VirtualHost:
    """The last route answers 404: a request that found its hostname looks no further."""
    made = [*(route(rule, host.key.port) for rule in host.rules), _NOT_FOUND]
    return pb.VirtualHost(name=names.scope(host.key), domains=domains, routes=made)


def _single_label(host: VirtualHost, domains: Sequence[str], any_host: VirtualHost | None) -> pb.VirtualHost:
    """An Ingress wildcard, which stands for one label only where Envoy's stands for one or more: its routes ask for the
    one label, and what has more falls to the routes of any host."""
    one_label = pb.HeaderMatcher(name=":authority")
    pattern = rf"(?i)[^.]+{re.escape(host.key.hostname[1:])}(:\d+)?"
    one_label.string_match.safe_regex.regex = pattern
    made = _virtual_host(host, domains)
    for item in made.routes:
        item.match.headers.append(one_label)
    if any_host is not None:
        made.routes.extend(route(rule, host.key.port) for rule in any_host.rules)
    made.routes.append(_NOT_FOUND)
    return made


def pack(value: message.Message) -> any_pb2.Any:
    """`value` as google.protobuf.Any, with map entries in one order, so that equal values are equal bytes."""
    return any_pb2.Any(
        type_url=f"type.googleapis.com/{value.DESCRIPTOR.full_name}", value=value.SerializeToString(deterministic=True)
    )


_DISABLED = pack(pb.FilterConfig(disabled=True))
_NOT_FOUND = pb.Route(name="none", match=pb.RouteMatch(prefix=""), direct_response=pb.DirectResponseAction(status=404))


def route(rule: Rule, port: int) -> pb.Route:
    """One rule. Route names are the rule's provenance, so Envoy's own logs and stats can be read with the manifests."""
    made = pb.Route(name=str(rule.origin), match=match(rule.match))
    _edit(made, rule.request_headers, rule.response_headers)
    action = rule.action
    if isinstance(action, Respond):
        made.direct_response.status = action.status
        if action.body:
            made.direct_response.body.inline_string = action.body
    elif isinstance(action, Redirect):
        made.redirect.CopyFrom(_redirect(action, rule.match.path, port))
    elif any(backend.weight > 0 for backend in action.backends):
        made.route.CopyFrom(_forward(action, rule))
    else:
        made.direct_response.status = 500
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
    if match.method:
        made.headers.append(_header(ValueMatch(":method", match.method)))
    made.headers.extend(_header(item) for item in match.headers)
    made.query_parameters.extend(
        pb.QueryParameterMatcher(name=item.name, string_match=_string(item)) for item in match.query
    )
    return made


def _header(item: ValueMatch) -> pb.HeaderMatcher:
    name = ":authority" if item.name == "host" else item.name
    return pb.HeaderMatcher(name=name, string_match=_string(item))


def _string(item: ValueMatch) -> string_pb2.StringMatcher:
    if item.regex:
        return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=item.value))
    return string_pb2.StringMatcher(exact=item.value)


def _forward(action: Forward, rule: Rule) -> pb.RouteAction:
    made = pb.RouteAction(
        cluster_not_found_response_code=pb.RouteAction.INTERNAL_SERVER_ERROR,
        timeout=_duration(action.request_timeout),
        retry_policy=retry(action.backend_timeout),
        request_mirror_policies=[_mirror(item) for item in action.mirrors],
    )
    usable = [backend for backend in action.backends if backend.weight > 0]
    if len(usable) == 1 and not (usable[0].request_headers or usable[0].response_headers):
        made.cluster = _cluster(usable[0])
    else:
        made.weighted_clusters.clusters.extend(_weighted(backend) for backend in usable)
    host = action.rewrite.hostname if action.rewrite else ""
    for name, value in rule.request_headers.set if rule.request_headers else ():
        host = value if name == "host" else host
    if host:
        made.host_rewrite_literal = host
    if action.rewrite and action.rewrite.path:
        prefix, pattern, substitution = path_edit(action.rewrite.path, rule.match.path)
        if pattern:
            made.regex_rewrite.pattern.regex = pattern
            made.regex_rewrite.substitution = substitution
        elif prefix:
            made.prefix_rewrite = prefix
    return made


def retry(backend_timeout: float) -> pb.RetryPolicy:
    """Only requests that no backend can have seen are sent again, to another endpoint: whatever their method, that is
    safe. So pods can come and go without a failed request."""
    return pb.RetryPolicy(
        retry_on="connect-failure,refused-stream,reset-before-request",
        num_retries={"value": 4},
        per_try_timeout=_duration(backend_timeout) if backend_timeout else None,
        retry_host_predicate=[
            pb.RetryPolicy.RetryHostPredicate(
                name="envoy.retry_host_predicates.previous_hosts", typed_config=_PREVIOUS_HOSTS
            )
        ],
        host_selection_retry_max_attempts=5,
        retry_back_off=pb.RetryPolicy.RetryBackOff(base_interval=_duration(0.001), max_interval=_duration(0.025)),
    )


_PREVIOUS_HOSTS = pack(previous_hosts_pb2.PreviousHostsPredicate())


def _cluster(backend: Backend) -> str:
    return names.NO_CLUSTER if backend.problem else names.cluster(BackendKey(backend.service, backend.port))


def _weighted(backend: Backend) -> pb.WeightedCluster.ClusterWeight:
    made = pb.WeightedCluster.ClusterWeight(name=_cluster(backend), weight={"value": backend.weight})
    _edit(made, backend.request_headers, backend.response_headers)
    return made


def _mirror(mirror: Mirror) -> pb.RouteAction.RequestMirrorPolicy:
    parts = percent_pb2.FractionalPercent(
        numerator=round(mirror.fraction * 1_000_000), denominator=percent_pb2.FractionalPercent.MILLION
    )
    return pb.RouteAction.RequestMirrorPolicy(
        cluster=names.cluster(BackendKey(mirror.service, mirror.port)),
        runtime_fraction=base_pb2.RuntimeFractionalPercent(default_value=parts),
        disable_shadow_host_suffix_append=True,
    )


def _redirect(action: Redirect, matched: PathMatch, listener_port: int) -> pb.RedirectAction:
    made = pb.RedirectAction(response_code=_REDIRECT_CODES[action.status])
    if action.scheme:
        made.scheme_redirect = action.scheme
    if action.hostname:
        made.host_redirect = action.hostname
    well_known = _WELL_KNOWN.get(action.scheme or "http", 0)
    port = action.port or (well_known if action.scheme else listener_port)
    if port != well_known:
        made.port_redirect = port
    if action.path:
        prefix, pattern, substitution = path_edit(action.path, matched)
        if pattern:
            made.regex_rewrite.pattern.regex = pattern
            made.regex_rewrite.substitution = substitution
        elif prefix:
            made.prefix_rewrite = prefix
    return made


_REDIRECT_CODES = {
    301: pb.RedirectAction.MOVED_PERMANENTLY,
    302: pb.RedirectAction.FOUND,
    303: pb.RedirectAction.SEE_OTHER,
    307: pb.RedirectAction.TEMPORARY_REDIRECT,
    308: pb.RedirectAction.PERMANENT_REDIRECT,
}


def path_edit(edit: PathEdit, matched: PathMatch) -> tuple[str, str, str]:
    """(prefix_rewrite, or else regex, its substitution) with the outcome of `PathEdit.apply`."""
    if edit.kind == "full" or matched.kind != "prefix":
        return "", "^/.*$", edit.value.replace("\\", "\\\\")
    prefix, value = matched.value.rstrip("/"), edit.value.rstrip("/")
    if prefix and value:
        return value, "", ""
    if prefix:  # to the root: /cart/items -> /items, /cart -> /
        return "", f"^{re.escape(prefix)}/?", "/"
    return "", "^/", f"{value}/".replace("\\", "\\\\")


def _duration(seconds: float) -> duration_pb2.Duration:
    nanos = round(seconds * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


# Header changes


def _edit(
    made: pb.Route | pb.WeightedCluster.ClusterWeight, request: HeaderEdit | None, response: HeaderEdit | None
) -> None:
    if request is not None:
        made.request_headers_to_add.extend(_headers(request))
        made.request_headers_to_remove.extend(name for name in request.remove if _may_change(name))
    if response is not None:
        made.response_headers_to_add.extend(_headers(response))
        made.response_headers_to_remove.extend(name for name in response.remove if _may_change(name))


def _headers(edit: HeaderEdit) -> Iterable[base_pb2.HeaderValueOption]:
    option = base_pb2.HeaderValueOption
    for pairs, action in (
        (edit.set, option.OVERWRITE_IF_EXISTS_OR_ADD),
        (edit.add, option.APPEND_IF_EXISTS_OR_ADD),
    ):
        for name, value in pairs:
            if _may_change(name):
                # "%" starts a command in Envoy's format strings.
                header = base_pb2.HeaderValue(key=name, value=value.replace("%", "%%"))
                yield option(header=header, append_action=action, keep_empty_value=True)


def _may_change(name: str) -> bool:
    """Envoy refuses to edit these as headers; Host is set by `host_rewrite_literal`."""
    return name != "host" and not name.startswith(":")
