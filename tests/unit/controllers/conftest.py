"""The real controllers on the real API in process. What is missing for a cluster is played: nodes that run pods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.controllers import Controllers
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import NAMESPACE, NODE, POD, Kind
from sealane.kube.objects import Key, Object
from sealane.network.model import Network
from sealane.reactive.collections import Change, Graph
from sealane.reactive.informer import Informers, inform


class Nodes:
    """Plays the node agents: bound pods get an address and are ready at once, deleted ones end at once."""

    def __init__(self, client: LocalClient, cluster: Informers) -> None:
        self._client = client
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready: Callable[[Object], bool] = lambda pod: True
        self._seen: set[str] = set()
        cluster[POD].subscribe(self._changed)

    def _changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            pod = change.new
            if pod is None or not pod.spec.get("nodeName"):
                continue
            if pod.deleting:
                self._do(self._end(pod))
            elif pod.uid not in self._seen and not pod.status.get("podIPs"):
                self._seen.add(pod.uid)
                self._do(self._run(pod))

    def _do(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, pod: Object) -> None:
        self._count += 1
        status = {
            "phase": "Running",
            "podIPs": [{"ip": f"10.244.{self._count // 250}.{self._count % 250 + 1}"}],
            "conditions": [
                {
                    "type": "Ready",
                    "status": str(self.ready(pod)),
                    "lastTransitionTime": pod.metadata["creationTimestamp"],
                }
            ],
        }
        with suppress(ApiError):  # deleted meanwhile
            await self._client.patch(POD, pod.namespace, pod.name, {"status": status}, subresource="status")

    async def _end(self, pod: Object) -> None:
        with suppress(ApiError):  # gone already
            await self._client.delete(POD, pod.namespace, pod.name, grace_seconds=0, uid=pod.uid)


class Running:
    """A control plane with `nodes` played nodes."""

    def __init__(self, api: Api, client: LocalClient, cluster: Informers, controllers: Controllers) -> None:
        self.api = api
        self.client = client
        self.cluster = cluster
        self.controllers = controllers
        self.nodes = Nodes(client, cluster)

    def all(self, kind: Kind) -> list[Object]:
        return self.cluster[kind].select(None)

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Returns when `condition` holds; AssertionError when it does not within `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            assert loop.time() < deadline, "does not come true"
            await asyncio.sleep(0.002)

    async def quiet(self, seconds: float = 0.15) -> None:
        """Returns when nothing was written for so long; Events do not count."""
        while True:
            before = {kind: [each.resource_version for each in self.all(kind)] for kind in list(self.cluster)}
            await asyncio.sleep(seconds)
            if before == {kind: [each.resource_version for each in self.all(kind)] for kind in list(self.cluster)}:
                return


@asynccontextmanager
async def control_plane(path: Path, nodes: int = 3) -> AsyncIterator[Running]:
    store = Store.open(path)
    api = start_api(store)
    client = LocalClient(api)
    for name in ("default", "shop"):
        if (await client.list(NAMESPACE, fields=f"metadata.name={name}")).items == ():
            await client.create(NAMESPACE, {"metadata": {"name": name}})
    for number in range(1, nodes + 1):
        labels = {"topology.kubernetes.io/zone": f"zone-{number}"}
        await client.create(NODE, {"metadata": {"name": f"node-{number}", "labels": labels}})
    cluster = inform(client, Graph())
    controllers = Controllers(client, Network.of(cluster))
    cluster.start()
    await cluster.synced()
    controllers.start()
    running = Running(api, client, cluster, controllers)
    try:
        yield running
    finally:
        await controllers.stop()
        await cluster.stop()
        store.close()


@pytest.fixture
def plane(tmp_path: Path) -> Callable[..., Any]:
    """`async with plane(nodes=3) as running:` inside the test's event loop."""
    return lambda **options: control_plane(tmp_path / "store.db", **options)
