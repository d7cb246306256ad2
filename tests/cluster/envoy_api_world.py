"""The world of envoy_world.py with a real API and all controllers; the test plays the node agent of proxy pods."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envoy_world import World

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import furnish, start_api
from sealane.apiserver.storage.store import Store
from sealane.controllers import Controllers
from sealane.controllers.gateways.gateways import Gateways
from sealane.kube import kinds
from sealane.kube.objects import Key, Object, Raw
from sealane.network.model import Network
from sealane.network.routes.proxies import LISTENING
from sealane.reactive.collections import Change, Graph
from sealane.reactive.informer import inform

SYSTEM = (
    (kinds.NAMESPACE, {"metadata": {"name": "shop"}}),
    (kinds.NAMESPACE, {"metadata": {"name": "sealane-system"}}),
    (
        kinds.NODE,
        {
            "metadata": {"name": "node-1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"pods": "110"}},
        },
    ),
    (
        kinds.GATEWAYCLASS,
        {"metadata": {"name": "sealane"}, "spec": {"controllerName": "sealane.dev/gateway-controller"}},
    ),
    (
        kinds.INGRESSCLASS,
        {"metadata": {"name": "sealane"}, "spec": {"controller": "sealane.dev/ingress-controller"}},
    ),
)


class ApiWorld(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kubelet: set[asyncio.Task[None]] = set()

    async def start(self, *, concurrency: int = 2) -> None:
        await self.start_network()
        self.store = Store.open(self.folder / "store.db")
        api = start_api(self.store)
        furnish(api)
        self.client = LocalClient(api)
        for kind, raw in SYSTEM:
            await self.client.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **raw})
        graph = Graph()
        self.objects = inform(self.client, graph)
        network = Network.of(self.objects)
        self.controllers = Controllers(self.client, network)
        self.gateways = Gateways(self.client, network)
        self.objects.start()
        await self.objects.synced()
        self.controllers.start()
        self.gateways.start()
        self.routing, self.listening = self.gateways.routing, self.gateways.listening
        self._concurrency = concurrency
        self.objects[kinds.POD].subscribe(self._pods_changed)
        self.serve_xds()

    async def stop(self) -> None:
        await super().stop()
        await self.gateways.stop()
        await self.controllers.stop()
        self.store.close()

    async def create(self, kind: kinds.Kind, namespace: str, name: str, **fields: Any) -> Object:
        return await self.client.create(
            kind,
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {"namespace": namespace, "name": name},
                **fields,
            },
        )

    async def create_service(self, name: str, pods: Sequence[str]) -> None:
        """Service shop/NAME port 80, without a selector, for these backends."""
        await self.create(kinds.SERVICE, "shop", name, spec={"ports": [{"name": "http", "port": 80}]})
        await self.client.create(
            kinds.ENDPOINTSLICE,
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "namespace": "shop",
                    "name": f"{name}-1",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
                "endpoints": [{"addresses": [self.ips[pod]], "conditions": {"ready": True}} for pod in pods],
            },
        )

    async def create_route(self, name: str, hostnames: Sequence[str], service: str) -> None:
        await self.create(
            kinds.HTTPROUTE,
            "shop",
            name,
            spec={
                "parentRefs": [{"name": "web"}],
                "hostnames": list(hostnames),
                "rules": [{"backendRefs": [{"name": service, "port": 80}]}],
            },
        )

    async def until_status(self, kind: kinds.Kind, namespace: str, name: str, wanted: str) -> Raw:
        """Waits until the conditions, as "Accepted=True …", have all words of `wanted`; the status."""
        for _ in range(1000):
            found = await self.client.get(kind, namespace, name)
            inner = [*(found.status.get("conditions") or ())]
            for parent in found.status.get("parents") or ():
                inner += parent["conditions"]
            have = {f"{condition['type']}={condition['status']}" for condition in inner}
            have |= {condition["reason"] for condition in inner}
            if set(wanted.split()) <= have:
                return dict(found.status)
            await asyncio.sleep(0.01)
        raise AssertionError(f"{kind.kind} {name} has {sorted(have)}, not {wanted}")

    # The node agent

    def _pods_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            if change.new is not None and change.new.spec.get("nodeName"):
                task = asyncio.create_task(self._sync(change.new))
                self._kubelet.add(task)
                task.add_done_callback(self._kubelet.discard)

    async def _sync(self, pod: Object) -> None:
        if pod.deleting:
            await self.client.delete(kinds.POD, pod.namespace, pod.name, grace_seconds=0)
            return
        if pod.uid not in self.ips:
            self.gateway_ip = self.pod(pod.uid)
        others = [item for item in pod.status.get("conditions") or () if item["type"] not in ("Ready", "PodScheduled")]
        ready = any(item["type"] == LISTENING and item["status"] == "True" for item in others)
        conditions = [*others, {"type": "Ready", "status": str(ready)}]
        ip = self.ips[pod.uid]
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
        if any(pod.status.get(field) != value for field, value in status.items() if field != "conditions") or (
            ready != any(item["type"] == "Ready" and item["status"] == "True" for item in pod.status["conditions"])
        ):
            await self.client.patch(kinds.POD, pod.namespace, pod.name, {"status": status}, subresource="status")
