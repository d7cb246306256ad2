"""Sources of the routing model: the collections that it is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube import kinds
from sealane.kube.objects import Key
from sealane.reactive.collections import Collection
from sealane.reactive.objects import Objects as Followed

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
        Secret,
        Service,
    )

GATEWAY_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Sources:
    """The collections of objects that routing reads, by kind.

    secrets: empty until `ask_for_secrets` is called, which is when the first listener names one.
    """

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
    secrets: Collection[Key, Secret]
    ask_for_secrets: Callable[[], object]

    @classmethod
    def of(cls, objects: Followed) -> Sources:
        """The sources of a cluster, or of manifests."""
        return cls(
            objects[kinds.GATEWAYCLASS],
            objects[kinds.GATEWAY],
            objects[kinds.HTTPROUTE],
            objects[kinds.REFERENCEGRANT],
            objects[kinds.INGRESSCLASS],
            objects[kinds.INGRESS],
            objects[kinds.SERVICE],
            objects[kinds.ENDPOINTSLICE],
            objects[kinds.NAMESPACE],
            objects[kinds.POD],
            objects.later(kinds.SECRET),
            lambda: objects[kinds.SECRET],
        )
