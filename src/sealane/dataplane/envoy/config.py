"""Listeners as Envoy resources.

Every proxy pod is a network namespace in which this one Envoy listens. A connection remembers its pod's namespace in a
filter state that it shares with its upstream connections, which are therefore made from that pod too: clusters are
common to all pods, and network policies see requests come from the Gateway's pod. What has no connection of its own
(copies of requests) has clusters of its own (see `clusters`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import (
    address_pb2,
    base_pb2,
    config_source_pb2,
    extension_pb2,
    protocol_pb2,
    substitution_format_string_pb2,
)
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2 as mutation_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2

from sealane.dataplane.envoy import names, tls
from sealane.dataplane.envoy.filters import cors, external_auth, limit, ranges, session
from sealane.dataplane.envoy.packing import pack
from sealane.kube.objects import Key
from sealane.network.routes.backends import of_backend
from sealane.network.routes.model.http import Backend
from sealane.network.routes.model.l4 import OpenPort
from sealane.network.routes.model.streams import Stream
from sealane.network.routes.model.tls import Chain, chain_for
from sealane.network.routes.proxies import listener_name

_ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)
_NETNS_STATE = "envoy.network.upstream_bind_override.network_namespace"


# Listeners


def listener(uid: str, netns: str, port: OpenPort, streams: Iterable[Stream] = ()) -> listener_pb2.Listener:
    """A TCP port of proxy pod `uid`, whose network namespace is at `netns`. streams: what passes through there.

    Nothing in it depends on routes of HTTP, hosts or what is in Secrets, so it is not updated for them and no
    connection is ever drained for a route or a renewed certificate.
    """
    key = port.key
    address = address_pb2.SocketAddress(
        address="::", port_value=key.port, ipv4_compat=True, network_namespace_filepath=netns
    )
    found = {stream.key.hostname: stream for stream in streams}
    match port.speaks:
        case "tls":
            chains = [chain for each in port.chains for chain in _tls_chains(netns, port, each, found)]
        case "tcp":
            chains = [_passing(netns, names.port(key.proxy, key.port), found.get(""))]
        case _:
            manager = connection_manager(key.proxy, key.port)
            chains = [listener_components_pb2.FilterChain(filters=_filters(netns, _http(manager)))]
    return listener_pb2.Listener(
        name=listener_name(uid, key),
        stat_prefix=f"{names.port(key.proxy, key.port)}",
        address=address_pb2.Address(socket_address=address),
        tcp_backlog_size={"value": 4096},
        listener_filters=[tls.server_name_reader()] if port.chains else [],
        filter_chains=chains,
    )


def _tls_chains(
    netns: str, port: OpenPort, chain: Chain, streams: Mapping[str, Stream]
) -> Iterator[listener_components_pb2.FilterChain]:
    """An HTTPS listener is one chain. A TLS listener has one for each hostname that is passed on there, and without
    a route for its own hostname one that ends the connection: what it takes is nobody else's."""
    key = port.key
    name = names.certified(key.proxy, key.port, chain)
    if chain.http:
        manager = connection_manager(key.proxy, key.port, chain, port.chains)
        yield listener_components_pb2.FilterChain(
            name=name,
            filter_chain_match=tls.chain_match(chain.hostname),
            transport_socket=tls.transport_socket(chain),
            filters=_filters(netns, _http(manager)),
        )
        return
    own = [hostname for hostname in streams if chain_for(port.chains, hostname) == chain]
    for hostname in dict.fromkeys((chain.hostname, *own)):
        stream = streams.get(hostname)
        made = _passing(netns, f"{name}/{hostname or '*'}", stream)
        made.filter_chain_match.CopyFrom(tls.chain_match(hostname))
        socket = tls.transport_socket(chain) if stream is not None else None
        if socket is not None:
            made.transport_socket.CopyFrom(socket)
        yield made


def _passing(netns: str, name: str, stream: Stream | None) -> listener_components_pb2.FilterChain:
    """Connections that are passed on as they are; without a stream they end."""
    made = tcp_proxy_pb2.TcpProxy(stat_prefix=name, max_connect_attempts={"value": 3})
    usable = [each for each in stream.backends if each.weight > 0] if stream is not None else []
    if len(usable) == 1:
        made.cluster = _cluster(usable[0])
    elif usable:
        weighted = tcp_proxy_pb2.TcpProxy.WeightedCluster
        made.weighted_clusters.clusters.extend(
            weighted.ClusterWeight(name=_cluster(each), weight=each.weight) for each in usable
        )
    else:
        made.cluster = names.NO_CLUSTER
    passing = listener_components_pb2.Filter(name="tcp", typed_config=pack(made))
    return listener_components_pb2.FilterChain(name=name, filters=_filters(netns, passing))


def _cluster(backend: Backend) -> str:
    return names.NO_CLUSTER if backend.problem else names.cluster(of_backend(backend))


def _filters(netns: str, last: listener_components_pb2.Filter) -> list[listener_components_pb2.Filter]:
    return [listener_components_pb2.Filter(name="sealane.netns", typed_config=pack(_remember(netns))), last]


def _http(manager: hcm_pb2.HttpConnectionManager) -> listener_components_pb2.Filter:
    return listener_components_pb2.Filter(name="http", typed_config=pack(manager))


def _remember(netns: str) -> set_filter_state_pb2.Config:
    value = value_pb2.FilterStateValue(
        object_key=_NETNS_STATE,
        factory_key="envoy.hashable_string",  # hashed into the key of connection pools: no pod uses another's
        format_string=substitution_format_string_pb2.SubstitutionFormatString(
            text_format_source=base_pb2.DataSource(inline_string=netns.replace("%", "%%"))
        ),
        shared_with_upstream=value_pb2.FilterStateValue.ONCE,
    )
    return set_filter_state_pb2.Config(on_new_connection=[value])


def connection_manager(
    proxy: Key, port: int, chain: Chain | None = None, chains: Sequence[Chain] = ()
) -> hcm_pb2.HttpConnectionManager:
    prefix = names.entry(proxy, port, chain)
    fragment = hcm_pb2.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder(
        # Cuts the port off: "shop/web/80/shop.example:8080" -> "shop/web/80/shop.example".
        header_value_extractor={"name": names.SCOPE_HEADER, "element_separator": ":", "index": 0}
    )
    return hcm_pb2.HttpConnectionManager(
        stat_prefix=prefix,
        scoped_routes=hcm_pb2.ScopedRoutes(
            name="routes",
            scope_key_builder=hcm_pb2.ScopedRoutes.ScopeKeyBuilder(fragments=[fragment]),
            scoped_rds=hcm_pb2.ScopedRds(scoped_rds_config_source=_ADS),
        ),
        early_header_mutation_extensions=[
            extension_pb2.TypedExtensionConfig(name="sealane.scope", typed_config=pack(_scope_header(prefix)))
        ],
        http_filters=[
            hcm_pb2.HttpFilter(name=names.HOSTS_FILTER, typed_config=pack(hosts_filter(prefix, chain, chains))),
            # Never switched on by a route: which one it is may be known only after the filters are made.
            hcm_pb2.HttpFilter(name=ranges.FILTER, typed_config=pack(rbac_pb2.RBAC())),
            hcm_pb2.HttpFilter(name=limit.FILTER, typed_config=pack(limit.none())),
            hcm_pb2.HttpFilter(name=cors.FILTER, typed_config=pack(cors_pb2.Cors())),
            hcm_pb2.HttpFilter(name=cors.ECHO_FILTER, typed_config=pack(mutation_pb2.HeaderMutation())),
            hcm_pb2.HttpFilter(name=external_auth.FILTER, typed_config=pack(external_auth.shared())),
            hcm_pb2.HttpFilter(name=session.FILTER, typed_config=pack(stateful_session_pb2.StatefulSession())),
            hcm_pb2.HttpFilter(
                name="envoy.filters.http.router", typed_config=pack(router_pb2.Router(suppress_envoy_headers=True))
            ),
        ],
        use_remote_address={"value": True},
        generate_request_id={"value": True},
        server_header_transformation=hcm_pb2.HttpConnectionManager.PASS_THROUGH,
        normalize_path={"value": True},
        strip_trailing_host_dot=True,
        upgrade_configs=[hcm_pb2.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        http_protocol_options=protocol_pb2.Http1ProtocolOptions(accept_http_10=True),
    )


def _scope_header(prefix: str) -> header_mutation_pb2.HeaderMutation:
    option = base_pb2.HeaderValueOption
    header = base_pb2.HeaderValue(key=names.SCOPE_HEADER, value=f"{prefix.replace('%', '%%')}/%REQ(:AUTHORITY)%")
    return header_mutation_pb2.HeaderMutation(
        mutations=[
            mutation_rules_pb2.HeaderMutation(
                append=option(header=header, append_action=option.OVERWRITE_IF_EXISTS_OR_ADD)
            )
        ]
    )


def hosts_filter(prefix: str, chain: Chain | None = None, chains: Sequence[Chain] = ()) -> lua_pb2.Lua:
    """For a request whose host has no scope: tries the host in lower case, then gives it the scope of wildcards.

    One that belongs to another HTTPS listener than the connection does is answered with 421 (RFC 9110, 15.5.20): the
    client opens another connection for it. Scopes switch this filter off, so a request for an exact hostname does not
    pay for it.
    """
    code = _HOSTS_LUA.replace("PREFIX", f'"{prefix}/"')
    if chain is not None and chain.own and len(chains) > 1:
        listed = ", ".join(f'["{each.hostname or "*"}"] = true' for each in chains)
        code = _OWNER_LUA.replace("CHAINS", listed) + code.replace(
            _HERE, f'  if elsewhere(host, "{chain.hostname or "*"}") then\n{_MISDIRECTED}  end\n'
        )
    else:
        code = code.replace(_HERE, "")
    return lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=code))


_HERE = "-- whose host is it?\n"
_MISDIRECTED = """    request:respond({[":status"] = "421"}, "")
    return
"""

_OWNER_LUA = """
local listeners = {CHAINS}

local function elsewhere(host, own)
  local name = string.gsub(string.lower(host), ":%d+$", "")
  if listeners[name] then return name ~= own end
  local rest = name
  while true do
    local dot = string.find(rest, ".", 1, true)
    if not dot then break end
    rest = string.sub(rest, dot + 1)
    if listeners["*." .. rest] then return "*." .. rest ~= own end
  end
  return listeners["*"] and own ~= "*"
end
"""

# Reading route metadata makes Envoy look the route up (once a request), which routeName alone does not.
_HOSTS_LUA = f"""
local function serve(request, hostname)
  request:headers():replace("{names.SCOPE_HEADER}", PREFIX .. hostname)
  request:clearRouteCache()
end

function envoy_on_request(request)
  local host = request:headers():get(":authority") or ""
{_HERE}  local lower = string.lower(host)
  if lower ~= host then
    serve(request, lower)
    request:metadata():get("")
    if request:streamInfo():routeName() ~= "" then return end
  end
  serve(request, "*")
end
"""
