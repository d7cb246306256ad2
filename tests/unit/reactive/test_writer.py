"""The writer on the real API: it makes the API agree, and writes nothing when it does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.local import LocalClient
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import CONFIGMAP, SERVICE
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Graph, Source
from sealane.reactive.informer import Informer
from sealane.reactive.merge import covers, difference
from sealane.reactive.writer import Writer

from .conftest import Unreliable
from .test_informer import until

FAST = Backoff(first=0.002, longest=0.02)
MINE = {"made-by": "writer"}


def key(name: str) -> Key:
    return Key("", "ConfigMap", "default", name)


def wish(name: str, **data: str) -> Raw:
    return {"metadata": {"name": name, "namespace": "default", "labels": MINE}, "data": data}


class Setup:
    def __init__(self, client: Unreliable, **options: Any) -> None:
        graph = Graph()
        self.client = client
        self.wanted = Source[Key, Raw](graph, "wanted")
        self.actual = Source[Key, Object](graph, "actual")
        self.informer = Informer(client, CONFIGMAP, self.actual, backoff=FAST)
        defaults: dict[str, Any] = {
            "fields": ("data", "metadata.labels"),
            "owns": lambda each: each.labels.get("made-by") == "writer",
            "backoff": FAST,
        }
        self.writer = Writer(client, CONFIGMAP, self.wanted, self.actual, **{**defaults, **options})

    def held(self) -> dict[str, Any]:
        return {each.name: each.raw.get("data") for each in self.actual.values()}

    async def settled(self) -> None:
        await asyncio.wait_for(self.writer.settled(), 60)


@asynccontextmanager
async def running(client: Unreliable, **options: Any) -> AsyncIterator[Setup]:
    await client.prepare()
    setup = Setup(client, **options)
    setup.informer.start()
    await setup.informer.synced()
    setup.writer.start()
    try:
        yield setup
    finally:
        await setup.writer.stop()
        await setup.informer.stop()


def test_create_patch_delete_and_silence(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client) as setup:
            setup.wanted.set(key("a"), wish("a", x="1"))
            await until(lambda: setup.held() == {"a": {"x": "1"}})
            setup.wanted.set(key("a"), wish("a", x="2"))
            await until(lambda: setup.held() == {"a": {"x": "2"}})
            setup.wanted.set(key("a"), dict(wish("a", x="2")))
            await setup.settled()
            setup.wanted.remove(key("a"))
            await until(lambda: setup.held() == {})
            await setup.settled()
            assert client.calls == ["create a", "patch a", "delete a"]

    asyncio.run(scenario())


def test_one_annotation_whose_name_holds_dots(client: Unreliable) -> None:
    """It comes, changes and goes; what others annotate stays, also where all that is not wanted is removed."""
    name = "example.com/state"

    def annotated(value: str) -> Raw:
        metadata = {"name": "a", "namespace": "default", "labels": MINE}
        return {"metadata": {**metadata, "annotations": {name: value}} if value else metadata}

    async def scenario() -> None:
        fields = ("data", ("metadata", "annotations", name))
        async with running(client, fields=fields, whole=True) as setup:

            def held() -> dict[str, str]:
                return dict(next(iter(setup.actual.values())).annotations) if len(setup.actual) else {}

            setup.wanted.set(key("a"), annotated(""))
            await until(lambda: len(setup.actual) == 1)
            await client.patch(CONFIGMAP, "default", "a", {"metadata": {"annotations": {"theirs": "1"}}})
            for value in ("full", "fuller", ""):
                setup.wanted.set(key("a"), annotated(value))
                expected = {"theirs": "1", name: value} if value else {"theirs": "1"}
                await until(lambda expected=expected: held() == expected)
            await setup.settled()

    asyncio.run(scenario())


def test_a_burst_of_wishes_costs_few_writes_and_ends_at_the_last(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client) as setup:
            for number in range(200):
                setup.wanted.set(key("a"), wish("a", x=str(number)))
                if number % 40 == 0:
                    await asyncio.sleep(0)
            await until(lambda: setup.held() == {"a": {"x": "199"}})
            await setup.settled()
            assert len(client.calls) < 10

    asyncio.run(scenario())


def test_what_somebody_else_changes_or_deletes_comes_back(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client) as setup:
            setup.wanted.set(key("a"), wish("a", x="1"))
            await until(lambda: len(setup.actual) == 1)
            await client.patch(CONFIGMAP, "default", "a", {"data": {"x": "9"}})
            await until(lambda: setup.held() == {"a": {"x": "1"}})
            await client.delete(CONFIGMAP, "default", "a")
            await until(lambda: client.calls.count("create a") == 2 and setup.held() == {"a": {"x": "1"}})

    asyncio.run(scenario())


def test_fields_of_others_are_left_alone(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client) as setup:
            setup.wanted.set(key("a"), wish("a", x="1", gone="soon"))
            await until(lambda: len(setup.actual) == 1)
            others = {"metadata": {"annotations": {"theirs": "1"}}, "data": {"y": "theirs"}}
            await client.patch(CONFIGMAP, "default", "a", others)
            setup.wanted.set(key("a"), wish("a", x="2"))
            await until(lambda: setup.held() == {"a": {"x": "2", "y": "theirs"}})
            (found,) = setup.actual.values()
            assert found.annotations == {"theirs": "1"}

    asyncio.run(scenario())


def test_whole_takes_out_what_is_not_wanted(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client, whole=True) as setup:
            setup.wanted.set(key("a"), wish("a", x="1"))
            await until(lambda: len(setup.actual) == 1)
            await client.patch(CONFIGMAP, "default", "a", {"data": {"y": "theirs"}})
            await until(lambda: setup.held() == {"a": {"x": "1"}})

    asyncio.run(scenario())


def test_what_it_does_not_own_it_neither_changes_nor_deletes(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        theirs = {"metadata": {"name": "a", "namespace": "default"}, "data": {"x": "theirs"}}
        await client.create(CONFIGMAP, theirs)
        stale = wish("old", x="from an earlier run")
        await client.create(CONFIGMAP, stale)
        client.calls.clear()
        setup = Setup(client)
        setup.informer.start()
        await setup.informer.synced()
        setup.wanted.set(key("a"), wish("a", x="1"))
        setup.writer.start()
        await until(lambda: set(setup.held()) == {"a"})
        await setup.settled()
        assert client.calls == ["delete old"]
        assert setup.held() == {"a": {"x": "theirs"}}
        await client.delete(CONFIGMAP, "default", "a")
        await until(lambda: setup.held() == {"a": {"x": "1"}})
        await setup.writer.stop()
        await setup.informer.stop()

    asyncio.run(scenario())


def test_failures_are_tried_again_and_told(client: Unreliable) -> None:
    async def scenario() -> None:
        told: list[str] = []
        async with running(client, on_error=lambda key, error: told.append(f"{key.name}: {error}")) as setup:
            client.failing["create"] = (3, ApiError(500, "InternalError", "broken"))
            setup.wanted.set(key("a"), wish("a", x="1"))
            await until(lambda: setup.held() == {"a": {"x": "1"}})
            client.failing["patch"] = (2, ConnectionResetError("cut"))
            setup.wanted.set(key("a"), wish("a", x="2"))
            await until(lambda: setup.held() == {"a": {"x": "2"}})
            client.failing["delete"] = (2, ApiError(500, "InternalError", "broken"))
            setup.wanted.remove(key("a"))
            await until(lambda: setup.held() == {})
            assert told == ["a: broken"] * 3 + ["a: cut"] * 2 + ["a: broken"] * 2

    asyncio.run(scenario())


def test_one_key_that_fails_holds_up_no_other(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client, backoff=Backoff(first=0.2)) as setup:
            setup.wanted.set(key("NOT VALID"), wish("NOT VALID"))
            for number in range(30):
                setup.wanted.set(key(f"c{number}"), wish(f"c{number}"))
            await until(lambda: len(setup.actual) == 30)

    asyncio.run(scenario())


def test_a_slow_watch_causes_no_second_write(client: Unreliable) -> None:
    async def scenario() -> None:
        async with running(client) as setup:
            await setup.informer.stop()  # the informer sees nothing from here on
            setup.wanted.set(key("a"), wish("a", x="1"))
            await setup.settled()
            setup.wanted.set(key("a"), wish("a", x="2"))
            await setup.settled()
            setup.wanted.set(key("b"), wish("b"))
            await setup.settled()
            assert client.calls == ["create a", "patch a", "create b"]
            found = await client.get(CONFIGMAP, "default", "a")
            assert found.raw["data"] == {"x": "2"}

    asyncio.run(scenario())


def test_a_status_writer_neither_creates_nor_deletes(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        graph = Graph()
        wanted, actual = Source[Key, Raw](graph, "wanted"), Source[Key, Object](graph, "actual")
        informer = Informer(client, SERVICE, actual, backoff=FAST)
        writer = Writer(client, SERVICE, wanted, actual, fields=("status.loadBalancer",), subresource="status")
        informer.start()
        await informer.synced()
        writer.start()
        service = Key("", "Service", "default", "web")
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "172.18.255.1"}]}}}
        wanted.set(service, status)
        await asyncio.wait_for(writer.settled(), 60)
        spec = {"ports": [{"port": 80, "protocol": "TCP"}], "clusterIP": "None"}
        await client.create(SERVICE, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await until(lambda: any(each.status == status["status"] for each in actual.values()))
        wanted.remove(service)
        await asyncio.wait_for(writer.settled(), 60)
        assert client.calls == ["create web", "patch web"]
        await writer.stop()
        await informer.stop()

    asyncio.run(scenario())


values = st.recursive(
    st.sampled_from([None, 0, 1, "a", "b", True]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)


def apply(raw: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(raw) if isinstance(raw, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@given(objects, objects)
def test_the_difference_makes_the_one_cover_the_other(actual: Raw, wanted: Raw) -> None:
    patch = difference(actual, wanted)
    if patch is None:
        assert covers(actual, wanted)
    else:
        assert covers(apply(actual, patch), wanted)
        assert difference(apply(actual, patch), wanted) is None


@given(objects, objects)
def test_a_whole_difference_leaves_nothing_else(actual: Raw, wanted: Raw) -> None:
    patch = difference(actual, wanted, whole=True)
    after = actual if patch is None else apply(actual, patch)
    assert difference(after, wanted, whole=True) is None
    assert set(_filled(after)) <= set(_filled(wanted))


def _filled(raw: Raw) -> Iterable[str]:
    return (name for name, value in raw.items() if value)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_api_agrees_in_the_end(client: Unreliable, seed: int) -> None:
    """Random wishes, strangers' edits and deletions, lost watches and failing writes, all at once."""
    chance = random.Random(seed)
    broken = [ApiError(500, "InternalError", "broken"), ConnectionResetError("cut"), ApiError(409, "Conflict", "no")]

    async def stranger(name: str) -> None:
        try:
            if chance.random() < 0.5:
                await LocalClient.delete(client, CONFIGMAP, "default", name)
            else:
                await LocalClient.patch(client, CONFIGMAP, "default", name, {"data": {"x": "theirs", "y": None}})
        except ApiError:
            pass  # there is no such object at the moment

    async def scenario() -> None:
        async with running(client, whole=True, parallel=3) as setup:
            for _ in range(150):
                name = f"c{chance.randrange(5)}"
                match chance.randrange(8):
                    case 0 | 1 | 2:
                        data = {key: str(chance.randrange(3)) for key in "xy" if chance.random() < 0.7}
                        setup.wanted.set(key(name), wish(name, **data))
                    case 3:
                        setup.wanted.remove(key(name))
                    case 4:
                        await stranger(name)
                    case 5:
                        verb = chance.choice(["create", "patch", "delete"])
                        client.failing[verb] = (chance.randrange(3), chance.choice(broken))
                    case 6:
                        client.cut()
                    case 7:
                        await asyncio.sleep(chance.choice([0, 0.001, 0.004]))
            client.failing.clear()
            wanted = {name.name: value["data"] for name, value in setup.wanted.items()}

            async def stored() -> dict[str, Any]:
                found = (await LocalClient.list(client, CONFIGMAP, "default")).items
                return {each.name: each.raw.get("data") or {} for each in found if each.labels.get("made-by")}

            for _ in range(1000):
                if await stored() == wanted:
                    break
                await asyncio.sleep(0.005)
            assert await stored() == wanted
            await setup.settled()

    asyncio.run(scenario())
