"""Listeners, clusters and endpoints as Envoy resources.

Every proxy pod is a network namespace in which this one Envoy listens. A connection remembers its pod's namespace in a
filter state that it shares with its upstream connections, which are therefore made from that pod too: clusters are
common to all pods, and network policies see requests come from the Gateway's pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import (
    address_pb2,
    base_pb2,
    config_source_pb2,
    extension_pb2,
    protocol_pb2,
    substitution_format_string_pb2,
)
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.local_address_selectors.filter_state_override.v3 import config_pb2 as override_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import duration_pb2

from sealane.dataplane.envoy import names, tls
from sealane.dataplane.envoy.routes import pack
from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints
from sealane.network.routes.model.tls import Chain

H2_PROTOCOLS = frozenset({"kubernetes.io/h2c", "h2c", "http2", "grpc"})
"""`appProtocol`s whose backends are spoken to in HTTP/2 without TLS (KEP-3726 and common usage)."""

_ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)
_NETNS_STATE = "envoy.network.upstream_bind_override.network_namespace"


# Listeners


def listener(uid: str, netns: str, proxy: Key, port: int, chains: Sequence[Chain] = ()) -> listener_pb2.Listener:
    """Port `port` of proxy pod `uid`, whose network namespace is at `netns`. chains: of a port that speaks TLS.

    Nothing in it depends on routes, hosts or what is in Secrets, so it is not updated for them and no connection is
    ever drained for a route or a renewed certificate.
    """
    address = address_pb2.SocketAddress(
        address="::", port_value=port, ipv4_compat=True, network_namespace_filepath=netns
    )
    return listener_pb2.Listener(
        name=f"{uid}/{port}",
        stat_prefix=f"{names.port(proxy, port)}",
        address=address_pb2.Address(socket_address=address),
        tcp_backlog_size={"value": 4096},
        listener_filters=[tls.server_name_reader()] if chains else [],
        filter_chains=[
            listener_components_pb2.FilterChain(
                name=names.entry(proxy, port, chain),
                filter_chain_match=tls.chain_match(chain),
                transport_socket=tls.transport_socket(chain),
                filters=_filters(netns, connection_manager(proxy, port, chain, chains)),
            )
            for chain in chains
        ]
        or [listener_components_pb2.FilterChain(filters=_filters(netns, connection_manager(proxy, port)))],
    )


def _filters(netns: str, manager: hcm_pb2.HttpConnectionManager) -> list[listener_components_pb2.Filter]:
    return [
        listener_components_pb2.Filter(name="sealane.netns", typed_config=pack(_remember(netns))),
        listener_components_pb2.Filter(name="http", typed_config=pack(manager)),
    ]


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
            hcm_pb2.HttpFilter(
                name="envoy.filters.http.router", typed_config=pack(router_pb2.Router(suppress_envoy_headers=True))
            ),
        ],
        use_remote_address={"value": True},
        generate_request_id={"value": True},
        server_header_transformation=hcm_pb2.HttpConnectionManager.PASS_THROUGH,
        normalize_path={"value": True},
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
    if chain is not None and len(chains) > 1:
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


# Clusters


def cluster(backend: BackendEndpoints) -> cluster_pb2.Cluster:
    """A Service port. Its endpoints come by EDS, so pods come and go without touching the cluster."""
    name = names.cluster(backend.key)
    # Shorter than the keep-alive of common servers (Node.js: 5 s), so it is not they who close an idle connection just
    # as a request is written to it.
    common = protocol_pb2.HttpProtocolOptions(idle_timeout=duration_pb2.Duration(seconds=4))
    options = http_protocol_options_pb2.HttpProtocolOptions(common_http_protocol_options=common)
    if backend.app_protocol in H2_PROTOCOLS:
        options.explicit_http_config.http2_protocol_options.SetInParent()
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()
    many = {"value": 1 << 30}
    return cluster_pb2.Cluster(
        name=name,
        type=cluster_pb2.Cluster.EDS,
        eds_cluster_config=cluster_pb2.Cluster.EdsClusterConfig(eds_config=_ADS),
        # Round trips take microseconds here; an endpoint that says nothing is gone, and another one is asked.
        connect_timeout=duration_pb2.Duration(nanos=250_000_000),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        circuit_breakers=circuit_breaker_pb2.CircuitBreakers(
            thresholds=[
                circuit_breaker_pb2.CircuitBreakers.Thresholds(
                    max_connections=many, max_pending_requests=many, max_requests=many, max_retries=many
                )
            ]
        ),
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(
            healthy_panic_threshold={"value": 0.0}, update_merge_window=duration_pb2.Duration()
        ),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(options),
        },
        upstream_bind_config=_bind_config(),
    )


def _bind_config() -> address_pb2.BindConfig:
    selector = extension_pb2.TypedExtensionConfig(
        name="envoy.upstream.local_address_selector.filter_state_override", typed_config=pack(override_pb2.Config())
    )
    return address_pb2.BindConfig(
        source_address=address_pb2.SocketAddress(address="0.0.0.0", port_value=0),
        extra_source_addresses=[
            address_pb2.ExtraSourceAddress(address=address_pb2.SocketAddress(address="::", port_value=0))
        ],
        local_address_selector=selector,
    )


def endpoints(backend: BackendEndpoints) -> endpoint_pb2.ClusterLoadAssignment:
    return endpoint_pb2.ClusterLoadAssignment(
        cluster_name=names.cluster(backend.key),
        endpoints=[endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=_lb_endpoints(backend.addresses))]
        if backend.addresses
        else [],
    )


def _lb_endpoints(addresses: Iterable[tuple[str, int]]) -> list[endpoint_components_pb2.LbEndpoint]:
    return [
        endpoint_components_pb2.LbEndpoint(
            endpoint=endpoint_components_pb2.Endpoint(
                address=address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))
            )
        )
        for address, port in addresses
    ]
