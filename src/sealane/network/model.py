"""One model of a cluster: Services, policies, names and routes, joined here and nowhere else.

    network = Network.of(manifests.load(["manifests/"]).objects)    # or of `reactive.informer.inform(client, graph)`
    for service in network.services.values(): ...

Each part is made when it is first asked for, and asks in turn for the kinds that it reads: so a process follows what it
needs, and no list of kinds has to say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from typing import Any

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.network.names.records import ZoneData, cluster_names, pod_names
from sealane.network.policies import Given, Policies, derive_policies
from sealane.network.routes import generated
from sealane.network.routes.routing import Routing, routing
from sealane.network.routes.sources import Sources
from sealane.network.services import ServiceModel, derive_services, node_port_addresses
from sealane.network.services.derive_slices import EndpointModel, derive_endpoints
from sealane.network.services.hints import ZONE
from sealane.network.services.node_ports import CONFIGURED_BY
from sealane.reactive.collections import Collection, Fetch, Graph, Source, derive
from sealane.reactive.objects import Objects


class Network:
    """What `objects` mean to the network. All parts follow the objects, in one graph."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._names = cache(self._cluster_names)
        self._pod_names = cache(self._names_of_pods)

    @classmethod
    def of(cls, objects: Objects | Iterable[Object]) -> Network:
        return cls(objects if isinstance(objects, Objects) else Objects.of(objects))

    @property
    def graph(self) -> Graph:
        return self.objects.graph

    # What is there

    @cached_property
    def services(self) -> Collection[Key, ServiceModel]:
        """Each Service with all that answers for it."""
        return derive_services(self.objects[kinds.SERVICE], self.objects[kinds.ENDPOINTSLICE])

    @cached_property
    def given(self) -> Source[Key, Given]:
        """Addresses that nodes have given to pods whose status does not say so yet. Filled from outside."""
        return Source(self.graph, "given addresses")

    @cached_property
    def policies(self) -> Policies:
        """Who may talk to whom."""
        given = self.given  # made before what reads it
        objects = self.objects
        return derive_policies(objects[kinds.NETWORKPOLICY], objects[kinds.POD], objects[kinds.NAMESPACE], given)

    @cached_property
    def routes(self) -> Routing:
        """What proxies do with requests, and the statuses that say so."""
        return routing(Sources.of(self.objects))

    @cached_property
    def zones(self) -> Collection[Key, str]:
        """Each node's zone (label topology.kubernetes.io/zone), "" without one."""
        return derive("node zones", self.objects[kinds.NODE], _zone)

    @cached_property
    def node_ports(self) -> Collection[Key, tuple[str, ...]]:
        """On which addresses of nodes NodePorts are, under the one key CONFIGURED_BY; empty: on all."""
        return derive("node port addresses", self.objects[kinds.CONFIGMAP], _node_ports)

    def names(self, **options: Any) -> tuple[Collection[Key, ZoneData], Collection[Key, ZoneData]]:
        """DNS names of Services and of namespaces. options: those of `names.records.cluster_names`."""
        return self._names(**options)

    def pod_names(self, **options: Any) -> Collection[Key, ZoneData]:
        """DNS names of pods. options: those of `names.records.pod_names`."""
        return self._pod_names(**options)

    # What follows: objects that controllers write

    @cached_property
    def endpoints(self) -> EndpointModel:
        """The EndpointSlices and Endpoints that there should be."""
        objects = self.objects
        return derive_endpoints(
            objects[kinds.SERVICE],
            objects[kinds.POD],
            objects[kinds.NODE],
            objects[kinds.ENDPOINTSLICE],
            objects[kinds.ENDPOINTS],
        )

    @cached_property
    def proxies(self) -> dict[Kind, Collection[Key, Raw]]:
        """The Deployments and Services of proxies that there should be."""
        return generated.wanted(self.routes)

    def _cluster_names(self, **options: Any) -> tuple[Collection[Key, ZoneData], Collection[Key, ZoneData]]:
        objects = self.objects
        return cluster_names(objects[kinds.SERVICE], objects[kinds.ENDPOINTSLICE], objects[kinds.NAMESPACE], **options)

    def _names_of_pods(self, **options: Any) -> Collection[Key, ZoneData]:
        return pod_names(self.objects[kinds.POD], **options)


def _zone(_key: Key, node: Object, _fetch: Fetch) -> str:
    return str(node.labels.get(ZONE, ""))


def _node_ports(key: Key, config: Object, _fetch: Fetch) -> tuple[str, ...] | None:
    return node_port_addresses(config) or None if key == CONFIGURED_BY else None
