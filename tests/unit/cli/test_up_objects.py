"""What the options of `up` make of the objects of manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cli.taking import with_namespace
from sealane.kube import kinds
from sealane.kube.objects import Object


def on_an_api(folder: Path, play: Callable[[LocalClient], Awaitable[None]]) -> None:
    async def run() -> None:
        api = start_api(Store.open(folder / "api.db"))
        try:
            await play(LocalClient(api))
        finally:
            api.store.close()

    asyncio.run(run())


def test_the_namespace_of_up_is_made_once(tmp_path: Path) -> None:
    config = Object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}})

    async def play(client: LocalClient) -> None:
        made = await with_namespace(client, [config], "shop")
        assert [str(each.key) for each in made] == ["Namespace shop", "ConfigMap shop/a"]
        assert await with_namespace(client, made, "shop") == made
        await client.create(kinds.NAMESPACE, made[0].raw)
        assert await with_namespace(client, [config], "shop") == [config]

    on_an_api(tmp_path, play)
