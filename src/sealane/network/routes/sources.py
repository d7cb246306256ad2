"""What the routing model is computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Collection, Graph, Source

if TYPE_CHECKING:
    from sealane.kube.shapes import (
        EndpointSlice,
        Gateway,
        GatewayClass,
        HTTPRoute,
        Ingress,
        IngressClass,
        Namespace,
        Pod,
        ReferenceGrant,
        Service,
    )

GATEWAY_GROUP = "gateway.networking.k8s.io"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Sources:
    """The collections of objects that routing reads, by kind."""

    gateway_classes: Collection[Key, GatewayClass]
    gateways: Collection[Key, Gateway]
    http_routes: Collection[Key, HTTPRoute]
    reference_grants: Collection[Key, ReferenceGrant]
    ingress_classes: Collection[Key, IngressClass]
    ingresses: Collection[Key, Ingress]
    services: Collection[Key, Service]
    endpoint_slices: Collection[Key, EndpointSlice]
    namespaces: Collection[Key, Namespace]
    pods: Collection[Key, Pod]

    @classmethod
    def of(cls, graph: Graph, objects: Iterable[Object]) -> Sources:
        """Sources filled with `objects`, for manifests on files and for tests. Other kinds are left out."""
        sources = {kind: Source[Key, Object](graph, kind) for kind in _KINDS}
        with graph.batch():
            for item in objects:
                if item.kind in sources:
                    sources[item.kind].set(item.key, item)
        return cls(*sources.values())


_KINDS = (
    "GatewayClass",
    "Gateway",
    "HTTPRoute",
    "ReferenceGrant",
    "IngressClass",
    "Ingress",
    "Service",
    "EndpointSlice",
    "Namespace",
    "Pod",
)


def service_of_slice(slice_: EndpointSlice) -> tuple[tuple[str, str], ...]:
    """Index of EndpointSlices: (namespace, name) of the Service they belong to."""
    name = slice_.labels.get(SERVICE_NAME_LABEL)
    return ((slice_.namespace, name),) if name else ()
