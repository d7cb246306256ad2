"""Informers on the real API: what the source holds is what the API holds, whatever breaks on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import CONFIGMAP, SECRET, Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Graph, Source
from sealane.reactive.informer import Informer, inform

from .conftest import GONE, Unreliable

FAST = Backoff(first=0.001, longest=0.01)


def configmap(name: str, **data: str) -> Raw:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def held(source: Source[Key, Object]) -> dict[str, dict[str, str]]:
    return {each.name: each.raw.get("data", {}) for each in source.values()}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("does not come true")


def watching(client: Unreliable) -> tuple[Informer, Source[Key, Object]]:
    source = Source[Key, Object](Graph(), "configmaps")
    return Informer(client, CONFIGMAP, source, backoff=FAST), source


def test_list_then_watch(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        await client.create(CONFIGMAP, configmap("a", x="1"))
        informer, source = watching(client)
        informer.start()
        await informer.synced()
        assert held(source) == {"a": {"x": "1"}}
        await client.create(CONFIGMAP, configmap("b"))
        await client.patch(CONFIGMAP, "default", "a", {"data": {"x": "2"}})
        await client.delete(CONFIGMAP, "default", "b")
        await until(lambda: held(source) == {"a": {"x": "2"}})
        assert (client.lists, client.watches) == (1, 1)
        await informer.stop()
        await client.create(CONFIGMAP, configmap("late"))
        await asyncio.sleep(0.02)
        assert "late" not in held(source)

    asyncio.run(scenario())


def test_a_lost_connection_is_taken_up_where_it_was(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        informer, source = watching(client)
        informer.start()
        await informer.synced()
        await until(lambda: client.watches == 1)
        client.cut()
        for number in range(5):
            await client.create(CONFIGMAP, configmap(f"c{number}"))
        await until(lambda: len(source) == 5)
        assert (client.lists, client.watches) == (1, 2)
        await informer.stop()

    asyncio.run(scenario())


def test_a_version_that_is_too_old_means_a_new_list(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        await client.create(CONFIGMAP, configmap("a"))
        informer, source = watching(client)
        client.failing["watch"] = (1, GONE)
        removed: list[str] = []
        source.subscribe(lambda changes: removed.extend(c.key.name for c in changes if c.new is None))
        informer.start()
        await informer.synced()
        await client.delete(CONFIGMAP, "default", "a")
        await client.create(CONFIGMAP, configmap("b"))
        await until(lambda: set(held(source)) == {"b"})
        assert client.lists == 2
        assert removed == ["a"]
        await informer.stop()

    asyncio.run(scenario())


def test_errors_are_waited_out(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        await client.create(CONFIGMAP, configmap("a"))
        informer, source = watching(client)
        client.failing["list"] = (3, ConnectionRefusedError("not yet"))
        client.failing["watch"] = (3, ApiError(500, "InternalError", "broken"))
        informer.start()
        await informer.synced()
        await client.create(CONFIGMAP, configmap("b"))
        await until(lambda: set(held(source)) == {"a", "b"})
        await informer.stop()

    asyncio.run(scenario())


def test_an_unknown_kind_is_empty_until_it_is_known(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        missing = Kind("example.com", "v1", "Thing", "things")
        graph = Graph()
        informer = Informer(client, missing, Source[Key, Object](graph, "things"), backoff=FAST)
        informer.start()
        await asyncio.wait_for(informer.synced(), 60)
        assert len(informer.source) == 0
        before = client.lists
        await until(lambda: client.lists > before + 1)
        await informer.stop()

    asyncio.run(scenario())


def test_many_kinds_at_once(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        await client.create(CONFIGMAP, configmap("a"))
        cluster = inform(client, Graph(), [CONFIGMAP, SECRET])
        assert set(cluster) == {CONFIGMAP, SECRET}
        cluster.start()
        await cluster.synced()
        assert set(held(cluster[CONFIGMAP])) == {"a"}
        await cluster.stop()

    asyncio.run(scenario())


def test_a_kind_that_is_asked_for_because_of_another_is_synced_too(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        await client.create(CONFIGMAP, configmap("a"))
        await client.create(SECRET, configmap("s"))
        cluster = inform(client, Graph(), [CONFIGMAP])
        later = cluster.later(SECRET)
        assert SECRET not in cluster

        def ask(_changes: object) -> None:
            assert cluster[SECRET] is later

        cluster[CONFIGMAP].subscribe(ask, replay=False)
        cluster.start()
        await cluster.synced()
        assert [each.name for each in later.values()] == ["s"]
        await cluster.stop()

    asyncio.run(scenario())


def test_events_of_one_commit_travel_in_one_batch(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        informer, source = watching(client)
        batches: list[int] = []
        source.subscribe(lambda changes: batches.append(len(changes)))
        informer.start()
        await informer.synced()
        await asyncio.gather(*(client.create(CONFIGMAP, configmap(f"c{n}")) for n in range(50)))
        await until(lambda: len(source) == 50)
        assert len(batches) < 10
        await informer.stop()

    asyncio.run(scenario())
