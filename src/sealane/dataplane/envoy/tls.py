"""TLS of listeners: filter chains by server name, and certificates by SDS: a renewed one changes no listener."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from sealane.dataplane.envoy import names
from sealane.dataplane.envoy.routes import pack
from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair
from sealane.network.routes.model.tls import Chain

ALPN = ("h2", "http/1.1")

_ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)


def server_name_reader() -> listener_components_pb2.ListenerFilter:
    """What reads the name that a client asks for before a filter chain is chosen."""
    config = pack(tls_inspector_pb2.TlsInspector())
    return listener_components_pb2.ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=config)


def chain_match(chain: Chain) -> listener_components_pb2.FilterChainMatch:
    """Envoy takes the exact name before the longest wildcard before none, as the Gateway API wants it."""
    return listener_components_pb2.FilterChainMatch(server_names=[chain.hostname] if chain.hostname else [])


def transport_socket(chain: Chain) -> base_pb2.TransportSocket:
    """TLS 1.2 and 1.3 with the certificates of the chain."""
    context = tls_pb2.DownstreamTlsContext(
        common_tls_context=tls_pb2.CommonTlsContext(
            alpn_protocols=ALPN,
            tls_params=common_pb2.TlsParameters(
                tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_2,
                tls_maximum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
            ),
            tls_certificate_sds_secret_configs=[
                secret_pb2.SdsSecretConfig(name=names.secret(each.secret), sds_config=_ADS)
                for each in chain.certificates
            ],
        )
    )
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def secret(key: Key, pair: Pair) -> secret_pb2.Secret:
    certificate = common_pb2.TlsCertificate(
        certificate_chain=base_pb2.DataSource(inline_bytes=pair.chain),
        private_key=base_pb2.DataSource(inline_bytes=pair.key),
    )
    return secret_pb2.Secret(name=names.secret(key), tls_certificate=certificate)
