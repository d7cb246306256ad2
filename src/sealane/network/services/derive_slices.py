"""The EndpointSlices and Endpoints of all Services, derived from Services, pods and nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from sealane.kube.kinds import ENDPOINTS, ENDPOINTSLICE, SERVICE
from sealane.kube.objects import Key, Object, Raw
from sealane.network.services.hints import NodeShare, nearness, node_share, why_not_shared, zone_capacity
from sealane.network.services.mirroring import is_mirrored, mirrored_slices
from sealane.network.services.slices import (
    ENDPOINTS_CONTROLLER,
    ENDPOINTS_MANAGED_BY,
    MANAGED_BY,
    SERVICE_NAME,
    SLICE_CONTROLLER,
    PodEndpoint,
    address_types,
    endpoint_slices,
    endpoints_object,
    has_family,
    is_ready,
    pod_endpoint,
    pod_selector,
)
from sealane.reactive.collections import Collection, Derived, Fetch, derive, derive_many

if TYPE_CHECKING:
    from sealane.kube.shapes import Endpoints, EndpointSlice, Node, Pod, Service


class EndpointModel(msgspec.Struct, frozen=True):
    """sharing: of Services with topology-aware routing: why there are no hints, one for each address family that has
    none."""

    slices: Derived[Key, Object, Key, Raw]
    endpoints: Derived[Key, Object, Key, Raw]
    mirrored: Derived[Key, Object, Key, Raw]
    sharing: Derived[Key, Object, Key, tuple[str, ...]]


def derive_endpoints(
    services: Collection[Key, Service],
    pods: Collection[Key, Pod],
    nodes: Collection[Key, Node],
    slices: Collection[Key, EndpointSlice],
    endpoints: Collection[Key, Endpoints],
) -> EndpointModel:
    """The wanted EndpointSlices and Endpoints of all Services. slices, endpoints: as they are.

    What was written for a Service that has lost its selector stays as it is, until the Service goes: the endpoint
    controllers of Kubernetes pass such Services over (kubernetes#91072).
    """

    def endpoint(_key: Key, pod: Pod, _fetch: Fetch) -> PodEndpoint | None:
        return pod_endpoint(pod)

    def share(_key: Key, node: Node, _fetch: Fetch) -> NodeShare:
        return node_share(node)

    members = derive("pod-endpoints", pods, endpoint)
    shares = derive("node-shares", nodes, share)

    def selected(service: Service, fetch: Fetch) -> list[PodEndpoint] | None:
        selector = pod_selector(service)
        return None if selector is None else fetch(members, namespace=service.namespace, selector=selector)

    def slices_of(_key: Key, service: Service, fetch: Fetch) -> dict[Key, Raw]:
        found = selected(service, fetch)
        if service.spec.get("type") == "ExternalName":
            return {}
        existing = fetch(slices, index=_made_for, value=(service.namespace, service.name))
        if found is None:
            return {each.key: cast("Raw", each.raw) for each in existing}

        def zone(node: str) -> str:
            known = fetch.get(shares, Key("", "Node", "", node))
            return known.zone if known is not None else ""

        wanted = endpoint_slices(service, found, existing, zone, lambda: zone_capacity(fetch(shares)))
        return {
            Key(ENDPOINTSLICE.group, ENDPOINTSLICE.kind, service.namespace, name): raw for name, raw in wanted.items()
        }

    def endpoints_of(_key: Key, service: Service, fetch: Fetch) -> dict[Key, Raw]:
        found = selected(service, fetch)
        if service.spec.get("type") == "ExternalName":
            return {}
        key = Key(ENDPOINTS.group, ENDPOINTS.kind, service.namespace, service.name)
        if found is not None:
            return {key: endpoints_object(service, found)}
        there = fetch.get(endpoints, key)
        ours = there is not None and there.labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_CONTROLLER
        return {key: cast("Raw", there.raw)} if there is not None and ours else {}

    def mirrored(_key: Key, written: Endpoints, fetch: Fetch) -> dict[Key, Raw]:
        if written.labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_CONTROLLER:
            return {}  # ours, as nearly all are: no need to remember that their Service was asked for
        service = fetch.get(services, Key(SERVICE.group, SERVICE.kind, written.namespace, written.name))
        made = mirrored_slices(written) if is_mirrored(written, service) else {}
        return {
            Key(ENDPOINTSLICE.group, ENDPOINTSLICE.kind, written.namespace, name): raw for name, raw in made.items()
        }

    def sharing(_key: Key, service: Service, fetch: Fetch) -> tuple[str, ...] | None:
        if nearness(service) != "auto":
            return None
        found = selected(service, fetch) or []
        every = {Key("", "Node", "", pod.node): None for pod in found}
        zones = {key.name: known.zone for key in every if (known := fetch.get(shares, key)) is not None}
        capacity = zone_capacity(fetch(shares))
        problems = []
        for family in address_types(service):
            ready = [zones.get(pod.node, "") for pod in found if is_ready(service, pod) and has_family(pod, family)]
            if why := why_not_shared(ready, capacity):
                problems.append(f"{why}, addressType: {family}")
        return tuple(problems)

    return EndpointModel(
        derive_many("endpoint-slices", services, slices_of),
        derive_many("endpoints-objects", services, endpoints_of),
        derive_many("mirrored-slices", endpoints, mirrored),
        derive("topology-aware routing", services, sharing),
    )


def _made_for(slice_: EndpointSlice) -> tuple[tuple[str, str], ...]:
    """Index of our own slices by the namespace and name of their Service."""
    if slice_.labels.get(MANAGED_BY) != SLICE_CONTROLLER or slice_.deleting:
        return ()
    return ((slice_.namespace, slice_.labels.get(SERVICE_NAME, "")),)
