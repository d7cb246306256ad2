"""Gateways, routes and Ingresses: the proxies' Deployments and Services, and all statuses.

The routing itself is `network/routes`; a proxy's configuration is made from the same collections by the data plane,
which tells back through `listening` where a proxy accepts connections.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from sealane.controllers.gateways import default_certificate
from sealane.controllers.gateways.ingress_events import IngressEvents
from sealane.controllers.gateways.stamps import stamped
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import (
    BACKENDTLSPOLICY,
    GATEWAY,
    GATEWAYCLASS,
    GRPCROUTE,
    HTTPROUTE,
    INGRESS,
    LISTENERSET,
    POD,
    SECRET,
    TCPROUTE,
    TLSROUTE,
    UDPROUTE,
)
from sealane.kube.objects import Key, Object, Raw
from sealane.kube.times import timestamp
from sealane.network.model import Network
from sealane.network.routes.generated import is_managed
from sealane.network.routes.proxies import LISTENING, ProxyPod, listener_name
from sealane.network.routes.published import Status
from sealane.network.routes.routing import Routing, proxy_of_port
from sealane.reactive.collections import Change, Collection, Fetch, Source, derive
from sealane.reactive.recorder import Recorder
from sealane.reactive.writer import Writer

log = logging.getLogger(__name__)


STATED = (
    *(GATEWAYCLASS, GATEWAY, LISTENERSET, HTTPROUTE, GRPCROUTE, TLSROUTE, TCPROUTE, UDPROUTE),
    *(BACKENDTLSPOLICY, INGRESS),
)
"""Kinds whose status is written here."""


class Gateways:
    """The controllers of Gateways, routes and Ingresses. Each asks for the objects that it follows when it is made,
    and works from `start` on.

    routing: the routing model, for the data plane. listening, forwarding: filled by the data plane, see `Gates`.
    """

    def __init__(self, client: Client, network: Network) -> None:
        objects = network.objects
        self.routing: Routing = network.routes
        self.listening: Source[str, bool] = Source(network.graph, "gateways.listening")
        self.forwarding: Source[str, bool] = Source(network.graph, "gateways.forwarding")
        self.writers = [
            Writer(client, kind, wanted, objects[kind], owns=is_managed) for kind, wanted in network.proxies.items()
        ]
        self.writers.append(
            Writer(
                client,
                SECRET,
                default_certificate.wanted(self.routing),
                self.routing.sources.secrets,
                fields=("metadata.labels",),
                owns=is_managed,
            )
        )
        for kind in STATED:
            status = derive(f"gateways.status.{kind.plural}", self.routing.statuses[kind.kind], _stamp(objects[kind]))
            self.writers.append(
                Writer(client, kind, status, objects[kind], fields=("status",), subresource="status", whole=True)
            )
        self.recorder = Recorder(client, "ingress-controller")
        self.events = IngressEvents(self.recorder, self.routing.sources, self.routing.ingresses)
        self.gates = Gates(client, self.routing, (self.listening, self.forwarding), objects[POD])

    def start(self) -> None:
        """Needs a running event loop, and objects that are synced: what is not wanted now is deleted."""
        for writer in self.writers:
            writer.start()
        self.gates.start()
        self.events.start()

    async def stop(self) -> None:
        """Lets the writes under way end."""
        self.events.stop()
        await self.recorder.stop()
        await asyncio.gather(self.gates.stop(), *(writer.stop() for writer in self.writers))


def _stamp(objects: Collection[Key, Object]) -> Callable[[Key, Status, Fetch], Raw | None]:
    def stamp(key: Key, status: Status, fetch: Fetch) -> Raw | None:
        item = fetch.get(objects, key)
        return stamped(item, status.status, timestamp(time.time())) if item is not None else None

    return stamp


class Gates:
    """Opens the readiness gate of each proxy pod once the proxy listens on all its ports there.

    listening: names as `proxies.listener_name` gives them. An open gate stays open: when the one Envoy restarts, no
    other pod could serve in its place, and a restart of this process must not be seen at all. Conditions have several
    writers, so this one is patched alone (a strategic merge patch), whenever the pod does not have it.
    """

    def __init__(
        self, client: Client, model: Routing, listening: Sequence[Source[str, bool]], pods: Collection[Key, Object]
    ) -> None:
        self._client = client
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._unsubscribe: Callable[[], None] = lambda: None

        def to_open(_key: Key, pod: ProxyPod, fetch: Fetch) -> bool | None:
            item = fetch.get(pods, pod.pod)
            if item is None or _is_open(item):
                return None
            names = [
                listener_name(pod.uid, port.key) for port in fetch(model.ports, index=proxy_of_port, value=pod.proxy)
            ]
            heard = [any(fetch.get(each, name) is not None for each in listening) for name in names]
            return True if heard and all(heard) else None

        self._to_open: Collection[Key, bool] = derive("gateways.gates", model.pods, to_open)

    def start(self) -> None:
        self._unsubscribe = self._to_open.subscribe(self._changed)

    async def stop(self) -> None:
        self._unsubscribe()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _changed(self, changes: Sequence[Change[Key, bool]]) -> None:
        for change in changes:
            if change.key not in self._tasks and change.new is not None:
                self._tasks[change.key] = asyncio.create_task(self._open(change.key))

    async def _open(self, key: Key) -> None:
        """Patches until the informer shows the condition, or that the pod is gone."""
        delay = 0.05
        try:
            while key in self._to_open:
                condition = {"type": LISTENING, "status": "True", "lastTransitionTime": timestamp(time.time())}
                try:
                    await self._client.patch(
                        POD,
                        key.namespace,
                        key.name,
                        {"status": {"conditions": [condition]}},
                        type="strategic",
                        subresource="status",
                    )
                except (ApiError, OSError) as error:
                    if not (isinstance(error, ApiError) and error.code == 404):
                        log.warning("%s: %s", key, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
        finally:
            del self._tasks[key]


def _is_open(pod: Object) -> bool:
    return any(
        condition.get("type") == LISTENING and condition.get("status") == "True"
        for condition in pod.status.get("conditions") or ()
    )
