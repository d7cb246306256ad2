"""Clusters and endpoints as Envoy resources."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import address_pb2, config_source_pb2, extension_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.local_address_selectors.filter_state_override.v3 import config_pb2 as override_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import duration_pb2

from sealane.dataplane.envoy import names, tls
from sealane.dataplane.envoy.packing import pack
from sealane.network.certificates.pairs import Pair
from sealane.network.routes.backends import BackendEndpoints

H2_PROTOCOLS = frozenset({"kubernetes.io/h2c", "h2c", "http2", "grpc"})
"""`appProtocol`s whose backends are spoken to in HTTP/2 without TLS (KEP-3726 and common usage)."""

_ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)


def cluster(backend: BackendEndpoints, netns: str = "", shown: Pair | None = None) -> cluster_pb2.Cluster:
    """A Service port. Its endpoints come by EDS, so pods come and go without touching the cluster.

    netns: from where it is connected to when no connection says it. shown: the certificate that the proxy shows.
    """
    name = names.cluster(backend.key)
    # Shorter than the keep-alive of common servers (Node.js: 5 s), so it is not they who close an idle connection just
    # as a request is written to it.
    common = protocol_pb2.HttpProtocolOptions(idle_timeout=duration_pb2.Duration(seconds=4))
    options = http_protocol_options_pb2.HttpProtocolOptions(common_http_protocol_options=common)
    http2 = backend.app_protocol in H2_PROTOCOLS or backend.key.use == "grpc"
    if http2:
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
        upstream_bind_config=_bind_config(netns),
        transport_socket=tls.upstream_socket(backend.tls, shown, ["h2" if http2 else "http/1.1"])
        if backend.tls is not None
        else None,
    )


def _bind_config(netns: str) -> address_pb2.BindConfig:
    selector = extension_pb2.TypedExtensionConfig(
        name="envoy.upstream.local_address_selector.filter_state_override", typed_config=pack(override_pb2.Config())
    )
    return address_pb2.BindConfig(
        source_address=address_pb2.SocketAddress(address="0.0.0.0", port_value=0, network_namespace_filepath=netns),
        extra_source_addresses=[
            address_pb2.ExtraSourceAddress(
                address=address_pb2.SocketAddress(address="::", port_value=0, network_namespace_filepath=netns)
            )
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
