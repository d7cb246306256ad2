"""TLS of listeners: filter chains by server name, and certificates by SDS: a renewed one changes no listener."""

from __future__ import annotations

from collections.abc import Sequence

from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.type.matcher.v3 import string_pb2

from sealane.dataplane.envoy import names
from sealane.dataplane.envoy.packing import pack
from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair
from sealane.network.routes.model.tls import Chain, Originate

ALPN = ("h2", "http/1.1")

_ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
)


def server_name_reader() -> listener_components_pb2.ListenerFilter:
    """What reads the name that a client asks for before a filter chain is chosen."""
    config = pack(tls_inspector_pb2.TlsInspector())
    return listener_components_pb2.ListenerFilter(name="envoy.filters.listener.tls_inspector", typed_config=config)


def chain_match(hostname: str) -> listener_components_pb2.FilterChainMatch:
    """Envoy takes the exact name before the longest wildcard before none, as the Gateway API wants it."""
    return listener_components_pb2.FilterChainMatch(server_names=[hostname] if hostname else [])


def transport_socket(chain: Chain) -> base_pb2.TransportSocket | None:
    """TLS 1.2 and 1.3 with the certificates of the chain; None where TLS is passed through."""
    if not chain.certificates:
        return None
    clients = chain.clients
    validation = None
    if clients is not None:
        context_of = common_pb2.CertificateValidationContext
        validation = context_of(
            trusted_ca=base_pb2.DataSource(inline_string=clients.authorities),
            trust_chain_verification=context_of.ACCEPT_UNTRUSTED if clients.optional else context_of.VERIFY_TRUST_CHAIN,
        )
    context = tls_pb2.DownstreamTlsContext(
        require_client_certificate={"value": True} if clients is not None and not clients.optional else None,
        common_tls_context=tls_pb2.CommonTlsContext(
            alpn_protocols=ALPN if chain.http else (),
            validation_context=validation,
            tls_params=common_pb2.TlsParameters(
                tls_minimum_protocol_version=common_pb2.TlsParameters.TLSv1_2,
                tls_maximum_protocol_version=common_pb2.TlsParameters.TLSv1_3,
            ),
            tls_certificate_sds_secret_configs=[
                secret_pb2.SdsSecretConfig(name=names.secret(each.secret), sds_config=_ADS)
                for each in chain.certificates
            ],
        ),
    )
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))


def secret(key: Key, pair: Pair) -> secret_pb2.Secret:
    return secret_pb2.Secret(name=names.secret(key), tls_certificate=_certificate(pair))


def _certificate(pair: Pair) -> common_pb2.TlsCertificate:
    return common_pb2.TlsCertificate(
        certificate_chain=base_pb2.DataSource(inline_bytes=pair.chain),
        private_key=base_pb2.DataSource(inline_bytes=pair.key),
    )


SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_NAMES = {
    "DNS": common_pb2.SubjectAltNameMatcher.DNS,
    "URI": common_pb2.SubjectAltNameMatcher.URI,
}


def upstream_socket(tls: Originate, shown: Pair | None, alpn: Sequence[str]) -> base_pb2.TransportSocket:
    """TLS towards a backend. shown: the certificate that the proxy shows."""
    trusted = (
        base_pb2.DataSource(inline_string=tls.authorities)
        if tls.authorities
        else base_pb2.DataSource(filename=SYSTEM_AUTHORITIES)
    )
    context = tls_pb2.UpstreamTlsContext(
        sni=tls.server_name,
        common_tls_context=tls_pb2.CommonTlsContext(
            alpn_protocols=alpn,
            tls_certificates=[_certificate(shown)] if shown is not None else [],
            validation_context=common_pb2.CertificateValidationContext(
                trusted_ca=trusted,
                match_typed_subject_alt_names=[
                    common_pb2.SubjectAltNameMatcher(
                        san_type=_NAMES[kind], matcher=string_pb2.StringMatcher(exact=value)
                    )
                    for kind, value in tls.names
                ],
            ),
        ),
    )
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))
