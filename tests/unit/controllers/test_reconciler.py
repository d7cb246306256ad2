"""The reconciler on the event loop that a cluster runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import uvloop

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.controllers.actions import Action
from sealane.controllers.reconciler import Reconciler
from sealane.kube.kinds import NAMESPACE
from sealane.kube.objects import Object
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform
from sealane.reactive.recorder import Recorder


def test_two_wakes_for_one_moment_are_one_plan_also_on_uvloop(tmp_path: Path) -> None:
    planned: list[str] = []

    def plan(value: Object) -> Iterator[Action]:
        planned.append(value.name)
        return iter(())

    async def scenario() -> None:
        store = Store.open(tmp_path / "store.db")
        client = LocalClient(start_api(store))
        await client.create(NAMESPACE, {"metadata": {"name": "shop"}})
        cluster = inform(client, Graph(), [NAMESPACE])
        cluster.start()
        await cluster.synced()
        sources = {NAMESPACE: cluster[NAMESPACE]}
        reconciler = Reconciler(client, NAMESPACE, sources, plan, Recorder(client, "test"), pause=0.0)
        reconciler.start()
        key = next(each.key for each in cluster[NAMESPACE].values() if each.name == "shop")
        await asyncio.sleep(0.05)
        planned.clear()
        reconciler.wake(key)  # due now: uvloop makes no timer of it
        reconciler.wake(key)
        reconciler.wake(key, 5.0)
        await asyncio.sleep(0.05)
        await reconciler.stop()
        await cluster.stop()
        store.close()

    uvloop.run(scenario())
    assert planned == ["shop"]
