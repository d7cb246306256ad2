"""Routes of *outside* to the nodes that a load balancer sends to, for the Services for which not every node will do.

The whole range is routed over all nodes (`linux.topology`), which is right for most Services; those with
externalTrafficPolicy Local, or with session affinity, have routes of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network

from sealane.dataplane.linux.netlink import Message, Netlink, add_route, delete_route
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube.objects import Key
from sealane.network.addresses import IPNetwork, NodePlan, is_internal
from sealane.network.services import ServiceModel, balanced_nodes
from sealane.reactive.collections import Change, Collection

log = logging.getLogger(__name__)

Routes = Mapping[IPNetwork, tuple[str, ...]]
"""For an address, the nodes that it leads to."""


def wanted_routes(service: ServiceModel | None, nodes: Sequence[str]) -> Routes:
    """The routes that a Service needs besides that of the whole range."""
    if service is None:
        return {}
    addresses = {each.address for port in service.ports for each in port.frontends if each.kind == "LoadBalancer"}
    chosen = balanced_nodes(service, nodes) if addresses else ()
    if len(chosen) == len(nodes):
        return {}
    return {ip_network(address): chosen for address in addresses if not is_internal(address)}


class BalancerRoutes:
    """Keeps the routes as the Services want them; `run` it as a task.

    outside: makes the thread that lives in *outside*, when it is needed for the first time.
    """

    def __init__(
        self,
        models: Collection[Key, ServiceModel],
        nodes: Mapping[str, NodePlan],
        outside: Callable[[], NamespaceThread],
    ) -> None:
        self._models = models
        self._nodes = nodes
        self._outside = outside
        self._socket: Netlink | None = None
        self._routes: dict[Key, Routes] = {}
        self._changed: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._unsubscribe = models.subscribe(self._receive)

    async def run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                changed, self._changed = self._changed, {}
                messages = [message for key in changed for message in self._difference(key)]
                if messages:
                    await self._apply(messages)
        finally:
            self._unsubscribe()

    def _receive(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        for change in changes:
            if change.key in self._routes or wanted_routes(change.new, tuple(self._nodes)):
                self._changed[change.key] = None
                self._wake.set()

    def _difference(self, key: Key) -> list[Message]:
        before, after = self._routes.pop(key, {}), wanted_routes(self._models.get(key), tuple(self._nodes))
        if after:
            self._routes[key] = after
        # Of an address that goes from one Service to another, the new route replaces the old one.
        held = {network for routes in self._routes.values() for network in routes}
        messages = [delete_route(network) for network in before if network not in held]
        for network, chosen in after.items():
            if before.get(network) != chosen:
                family = int(network.version == 6)
                messages.append(add_route(network, hops=[self._nodes[name].addresses[family] for name in chosen]))
        return messages

    async def _apply(self, messages: Sequence[Message]) -> None:
        if self._socket is None:
            self._socket = await self._outside().run(Netlink)
        try:
            self._socket.apply(messages)
        except OSError as error:
            log.warning("routes of load balancers: %s", error)
