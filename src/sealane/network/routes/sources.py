"""Sources of the routing model: the collections that it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube import kinds
from sealane.kube.objects import Key
from sealane.reactive.collections import Collection, Source
from sealane.reactive.objects import Objects as Followed

if TYPE_CHECKING:
    from sealane.kube.shapes import (
        BackendTLSPolicy,
        ConfigMap,
        EndpointSlice,
        Gateway,
        GatewayClass,
        GRPCRoute,
        HTTPRoute,
        Ingress,
        IngressClass,
        ListenerSet,
        Namespace,
        Pod,
        ReferenceGrant,
        Secret,
        Service,
        TCPRoute,
        TLSRoute,
        UDPRoute,
    )

GATEWAY_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Sources:
    """The collections of objects that routing reads, by kind.

    secrets: empty until `ask_for_secrets` is called, which is when the first listener names one. channels: of the
    definitions of the Gateway API's kinds, "standard" or "experimental", by name; nothing: those of the start.
    """

    gateway_classes: Collection[Key, GatewayClass]
    gateways: Collection[Key, Gateway]
    listener_sets: Collection[Key, ListenerSet]
    http_routes: Collection[Key, HTTPRoute]
    grpc_routes: Collection[Key, GRPCRoute]
    tls_routes: Collection[Key, TLSRoute]
    tcp_routes: Collection[Key, TCPRoute]
    udp_routes: Collection[Key, UDPRoute]
    backend_tls_policies: Collection[Key, BackendTLSPolicy]
    reference_grants: Collection[Key, ReferenceGrant]
    ingress_classes: Collection[Key, IngressClass]
    ingresses: Collection[Key, Ingress]
    services: Collection[Key, Service]
    endpoint_slices: Collection[Key, EndpointSlice]
    namespaces: Collection[Key, Namespace]
    pods: Collection[Key, Pod]
    config_maps: Collection[Key, ConfigMap]
    secrets: Collection[Key, Secret]
    ask_for_secrets: Callable[[], object]
    channels: Collection[str, str]

    @classmethod
    def of(cls, objects: Followed, channels: Collection[str, str] | None = None) -> Sources:
        """The sources of a cluster, or of manifests."""
        return cls(
            objects[kinds.GATEWAYCLASS],
            objects[kinds.GATEWAY],
            objects[kinds.LISTENERSET],
            objects[kinds.HTTPROUTE],
            objects[kinds.GRPCROUTE],
            objects[kinds.TLSROUTE],
            objects[kinds.TCPROUTE],
            objects[kinds.UDPROUTE],
            objects[kinds.BACKENDTLSPOLICY],
            objects[kinds.REFERENCEGRANT],
            objects[kinds.INGRESSCLASS],
            objects[kinds.INGRESS],
            objects[kinds.SERVICE],
            objects[kinds.ENDPOINTSLICE],
            objects[kinds.NAMESPACE],
            objects[kinds.POD],
            objects[kinds.CONFIGMAP],
            objects.later(kinds.SECRET),
            lambda: objects[kinds.SECRET],
            Source(objects.graph, "channels") if channels is None else channels,
        )
