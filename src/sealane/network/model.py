"""One model of a cluster: Services, policies, names and routes, joined here and nowhere else.

    network = Network.of(manifests.load(["manifests/"]).objects)    # or of `reactive.informer.inform(client, graph)`
    for service in network.services.values(): ...

Each part is made when it is first asked for, and asks in turn for the kinds that it reads: so a process follows what it
needs, no list of kinds has to say so, and it imports what it needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.collections import Collection, Fetch, Graph, Source, derive
from sealane.reactive.objects import Objects

if TYPE_CHECKING:
    from sealane.network.names.records import ClusterNames, PodNames
    from sealane.network.policies import Given, Policies
    from sealane.network.routes.routing import Routing
    from sealane.network.services import ServiceModel
    from sealane.network.services.derive_slices import EndpointModel


class Network:
    """The meaning of `objects` to the network. All parts follow the objects, in one graph."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    @classmethod
    def of(cls, objects: Objects | Iterable[Object]) -> Network:
        return cls(objects if isinstance(objects, Objects) else Objects.of(objects))

    @property
    def graph(self) -> Graph:
        return self.objects.graph

    # The objects

    @cached_property
    def services(self) -> Collection[Key, ServiceModel]:
        """Each Service with all that answers for it."""
        from sealane.network.services import derive_services

        return derive_services(self.objects[kinds.SERVICE], self.objects[kinds.ENDPOINTSLICE])

    @cached_property
    def given(self) -> Source[Key, Given]:
        """Addresses that nodes have given to pods whose status does not say so yet. Filled from outside."""
        return Source(self.graph, "given addresses")

    @cached_property
    def policies(self) -> Policies:
        """The policies: which pods may talk to which."""
        from sealane.network.policies import CLUSTER_POLICIES, derive_policies

        objects = self.objects
        policies, pods, namespaces = objects[kinds.NETWORKPOLICY], objects[kinds.POD], objects[kinds.NAMESPACE]
        cluster_policies = [objects[kind] for kind in CLUSTER_POLICIES]
        return derive_policies(policies, pods, namespaces, self.given, cluster_policies, objects[kinds.NODE])

    @cached_property
    def routes(self) -> Routing:
        """The routing of proxies, and the statuses that report it."""
        from sealane.network.routes.routing import routing
        from sealane.network.routes.sources import Sources

        return routing(Sources.of(self.objects, self.channels))

    @cached_property
    def channels(self) -> Source[str, str]:
        """The channel of each definition of a Gateway API kind. Filled from outside."""
        return Source(self.graph, "channels of definitions")

    @cached_property
    def names(self) -> ClusterNames:
        """DNS names of Services and namespaces."""
        from sealane.network.names.records import ClusterNames

        objects = self.objects
        return ClusterNames(objects[kinds.SERVICE], objects[kinds.ENDPOINTSLICE], objects[kinds.NAMESPACE])

    @cached_property
    def pod_names(self) -> PodNames:
        """DNS names of pods."""
        from sealane.network.names.records import PodNames

        return PodNames(self.objects[kinds.POD])

    @cached_property
    def zones(self) -> Collection[Key, str]:
        """Each node's zone (label topology.kubernetes.io/zone), "" without one."""
        from sealane.network.services.hints import ZONE

        def zone(_key: Key, node: Object, _fetch: Fetch) -> str:
            return str(node.labels.get(ZONE, ""))

        return derive("node zones", self.objects[kinds.NODE], zone)

    @cached_property
    def node_ports(self) -> Collection[Key, tuple[str, ...]]:
        """On which addresses of nodes NodePorts are, under the one key CONFIGURED_BY; nothing: on all of them."""
        from sealane.network.services.node_ports import CONFIGURED_BY, node_port_addresses

        def allowed(key: Key, config: Object, _fetch: Fetch) -> tuple[str, ...] | None:
            return node_port_addresses(config) or None if key == CONFIGURED_BY else None

        return derive("node port addresses", self.objects[kinds.CONFIGMAP], allowed)

    # What follows: objects that controllers write

    @cached_property
    def endpoints(self) -> EndpointModel:
        """The EndpointSlices and Endpoints that there should be."""
        from sealane.network.services.derive_slices import derive_endpoints

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
        from sealane.network.routes.generated import wanted

        return wanted(self.routes)
