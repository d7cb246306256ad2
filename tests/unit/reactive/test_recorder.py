"""Events on the real API in process: repeats counted, similar ones combined, too many held back, failures survived."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object
from sealane.reactive.recorder import BURST, FORGET, REFILL, SIMILAR, Recorder

from .conftest import Unreliable


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def thing(name: str = "web") -> Object:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata})


async def events(client: Unreliable) -> list[dict[str, Any]]:
    return [each.raw for each in (await client.list(EVENT, "default")).items]


def test_what_is_said_again_raises_the_count(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        recorder = Recorder(client, "tester")
        for _ in range(3):
            recorder.record(thing(), "Warning", "Broken", "it broke", field_path="spec.ports[0]", host="node-1")
            await recorder.flush()
        recorder.record(thing("other"), "Normal", "Fine", "it works")
        await recorder.flush()
        broken, fine = sorted(await events(client), key=lambda each: str(each["reason"]))
        assert (broken["count"], broken["message"], broken["type"]) == (3, "it broke", "Warning")
        assert broken["source"] == {"component": "tester", "host": "node-1"}
        assert broken["involvedObject"]["uid"] == "uid-web"
        assert broken["involvedObject"]["fieldPath"] == "spec.ports[0]"
        assert fine["count"] == 1
        assert len(client.calls) == 4

    asyncio.run(scenario())


def test_much_said_at_once_is_written_once(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        recorder = Recorder(client, "tester")
        for _ in range(20):
            recorder.record(thing(), "Warning", "Broken", "it broke")
        await recorder.flush()
        assert [each["count"] for each in await events(client)] == [20]
        assert len(client.calls) <= 2

    asyncio.run(scenario())


def test_similar_events_are_combined_and_too_many_are_held_back(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        clock = Clock()
        recorder = Recorder(client, "tester", clock=clock)
        for number in range(100):
            recorder.record(thing(), "Normal", "Made", f"made number {number}")
            await recorder.flush()
        found = await events(client)
        counts = Counter(str(each["message"])[:23] == "(combined from similar " for each in found)
        assert counts == {False: SIMILAR - 1, True: 1}
        assert sum(each["count"] for each in found) == BURST
        clock.now += REFILL
        recorder.record(thing(), "Normal", "Made", "made another")
        await recorder.flush()
        assert sum(each["count"] for each in await events(client)) == 101  # what was held back is counted
        recorder.record(thing("other"), "Normal", "Made", "made number 1")
        await recorder.flush()
        assert len(await events(client)) == SIMILAR + 1

    asyncio.run(scenario())


def test_after_a_while_the_same_words_are_a_new_event(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        clock = Clock()
        recorder = Recorder(client, "tester", clock=clock)
        for _ in range(2):
            recorder.record(thing(), "Normal", "Made", "made")
            await recorder.flush()
            clock.now += FORGET + 1
        assert [each["count"] for each in await events(client)] == [1, 1]

    asyncio.run(scenario())


def test_what_led_to_another_event_is_told_before_it_also_when_it_is_said_later(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        clock = Clock()
        cause, effect = (Recorder(client, component, clock=clock) for component in ("cause", "effect"))
        moment = cause.moment()
        clock.now += 1
        effect.record(thing(), "Normal", "Started", "started")
        await effect.flush()
        clock.now += 1
        cause.record(thing(), "Normal", "Scheduled", "scheduled", moment=moment)
        await cause.flush()
        told = sorted(await events(client), key=lambda each: str(each["lastTimestamp"]))
        assert [each["reason"] for each in told] == ["Scheduled", "Started"]
        named = sorted(await events(client), key=lambda each: str(each["metadata"]["name"]))
        assert [each["reason"] for each in named] == ["Scheduled", "Started"]

    asyncio.run(scenario())


def test_an_event_survives_a_lost_connection_and_its_own_deletion(client: Unreliable) -> None:
    async def scenario() -> None:
        await client.prepare()
        recorder = Recorder(client, "tester")
        client.failing["create"] = (2, ConnectionResetError("gone"))
        recorder.record(thing(), "Normal", "Made", "made")
        await recorder.flush()
        [event] = await events(client)
        await client.delete(EVENT, "default", event["metadata"]["name"])
        recorder.record(thing(), "Normal", "Made", "made")
        await recorder.flush()
        assert [each["count"] for each in await events(client)] == [2]

    asyncio.run(scenario())
