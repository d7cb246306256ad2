"""Watches over HTTP when there is much to tell: to slow clients, to many, and what a bookmark promises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.serving import Server, serving

from sealane.apiserver.api import Api
from sealane.apiserver.http import streaming
from sealane.apiserver.local import LocalClient
from sealane.kube import kinds

PATH = "/api/v1/namespaces/default/configmaps"


def run(cluster: Cluster, test: Callable[[Api, LocalClient, Server, aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def inside() -> None:
        api = cluster.open()
        client = LocalClient(api)
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        headers = {}
        async with serving(api) as server:
            headers["Authorization"] = server.access.authorization()
            connector = aiohttp.TCPConnector(ssl=server.access.ssl_context() or True, limit=0)
            async with aiohttp.ClientSession(server.access.server, headers=headers, connector=connector) as session:
                await asyncio.wait_for(test(api, client, server, session), 30)

    asyncio.run(inside())


async def create(client: LocalClient, count: int, size: int = 10) -> list[str]:
    names = [f"c-{number:05}" for number in range(count)]
    made = await asyncio.gather(
        *(
            client.create(
                kinds.CONFIGMAP, {"metadata": {"name": name, "namespace": "default"}, "data": {"k": "v" * size}}
            )
            for name in names
        )
    )
    return [item.name for item in sorted(made, key=lambda item: int(item.resource_version))]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    async for line in response.content:
        yield json.loads(line)


def test_a_client_that_does_not_read_misses_nothing(cluster: Cluster) -> None:
    async def test(api: Api, client: LocalClient, server: Server, session: aiohttp.ClientSession) -> None:
        query = {"watch": "1", "resourceVersion": str(api.store.version)}
        async with session.get(PATH, params=query) as slow:
            names = await create(client, 2000, size=4000)  # 8 MB: far more than sockets and the connection take
            await asyncio.sleep(0.2)
            told = []
            async for event in events(slow):
                assert event["type"] == "ADDED"
                told.append(event["object"]["metadata"]["name"])
                if len(told) == len(names):
                    break
            assert told == names

    run(cluster, test)


def test_a_watch_that_times_out_while_it_is_behind_still_ends_whole(cluster: Cluster) -> None:
    async def test(api: Api, client: LocalClient, server: Server, session: aiohttp.ClientSession) -> None:
        query = {"watch": "1", "resourceVersion": str(api.store.version), "timeoutSeconds": "4"}
        async with session.get(PATH, params=query) as slow:
            names = await create(client, 1000, size=8000)
            await asyncio.sleep(4.2)
            assert [event["object"]["metadata"]["name"] async for event in events(slow)] == names

    run(cluster, test)


def test_a_client_too_slow_for_too_long_is_cut_off_and_told_to_list_anew(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(api: Api, client: LocalClient, server: Server, session: aiohttp.ClientSession) -> None:
        monkeypatch.setattr(streaming, "BEHIND", 500)
        query = {"watch": "1", "resourceVersion": str(api.store.version)}
        async with session.get(PATH, params=query) as slow:
            for _ in range(2):
                await create(client, 1500, size=8000)
                await client._api.delete_collection(kinds.CONFIGMAP, "default")
            with pytest.raises(aiohttp.ClientPayloadError):
                _ = [event async for event in events(slow)]
        assert api.hub.count == 0

    run(cluster, test)


def test_a_bookmark_comes_after_everything_it_speaks_of(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(api: Api, client: LocalClient, server: Server, session: aiohttp.ClientSession) -> None:
        monkeypatch.setattr(streaming, "BOOKMARK_SECONDS", 0.002)
        query = {"watch": "1", "resourceVersion": str(api.store.version), "allowWatchBookmarks": "1"}
        async with session.get(PATH, params=query) as response:
            # A long pause, as after telling many watchers: there are commits and bookmarks, but nothing is told.
            api.hub._pause_ends = asyncio.get_running_loop().time() + 0.1
            await create(client, 100)
            newest, bookmarks, told = 0, 0, 0
            async for event in events(response):
                version = int(event["object"]["metadata"]["resourceVersion"])
                if event["type"] == "BOOKMARK":
                    bookmarks += told < 100
                    newest = max(newest, version)
                else:
                    assert version > newest, "a client that came back at the bookmark would have missed this"
                    newest = version
                    told += 1
                if told == 100:
                    break
            assert bookmarks

    run(cluster, test)


def test_watchers_of_all_selections_are_told_the_same_commit(cluster: Cluster) -> None:
    async def test(api: Api, client: LocalClient, server: Server, session: aiohttp.ClientSession) -> None:
        async def names(count: int, **query: str) -> list[str]:
            told: list[str] = []
            asked = {"watch": "1", "resourceVersion": str(start), **query}
            async with session.get(PATH, params=asked) as response:
                async for event in events(response):
                    told.append(event["object"]["metadata"]["name"])
                    if len(told) == count:
                        break
            return told

        start = api.store.version
        watches = [asyncio.create_task(names(300)) for _ in range(20)]
        one = asyncio.create_task(names(1, fieldSelector="metadata.name=c-00042"))
        await asyncio.sleep(0.1)
        order = await create(client, 300)
        assert [await each for each in watches] == [order] * 20
        assert await one == ["c-00042"]

    run(cluster, test)
