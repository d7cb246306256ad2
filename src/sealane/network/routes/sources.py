"""What the routing model is computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Collection, Graph, Source

GATEWAY_GROUP = "gateway.networking.k8s.io"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"

Objects = Collection[Key, Object]


@dataclass(frozen=True, slots=True)
class Sources:
    """The collections of objects that routing reads, by kind."""

    gateway_classes: Objects
    gateways: Objects
    http_routes: Objects
    reference_grants: Objects
    ingress_classes: Objects
    ingresses: Objects
    services: Objects
    endpoint_slices: Objects
    namespaces: Objects
    pods: Objects

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


def service_of_slice(slice_: Object) -> tuple[tuple[str, str], ...]:
    """Index of EndpointSlices: (namespace, name) of the Service they belong to."""
    name = slice_.labels.get(SERVICE_NAME_LABEL)
    return ((slice_.namespace, name),) if name else ()
