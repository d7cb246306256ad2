"""Events end after an hour, and history after five to ten minutes."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.followers.retention import (
    COMPACTION_SECONDS,
    EVENT_SECONDS,
    FRESH_SECONDS,
    Compaction,
    expire,
    is_over,
)
from sealane.kube import kinds
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp


def event(name: str, last: float) -> Raw:
    about = {"kind": "Pod", "namespace": "default", "name": "web"}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "involvedObject": about,
        "lastTimestamp": timestamp(last),
    }


def test_events_end_an_hour_after_they_were_last_seen(cluster: Cluster) -> None:
    async def play() -> None:
        async with cluster.client() as client:
            now = time.time() + EVENT_SECONDS + 10
            for name, last in (("old", now - EVENT_SECONDS - 5), ("seen-again", now - EVENT_SECONDS + 5)):
                await client.create(kinds.EVENT, event(name, last))
            await client.create(kinds.CONFIGMAP, {"metadata": {"name": "old", "namespace": "default"}})
            await expire(client, now)
            assert [each.name for each in (await client.list(kinds.EVENT)).items] == ["seen-again"]
            assert "old" in {each.name for each in (await client.list(kinds.CONFIGMAP)).items}

    asyncio.run(play())


@pytest.mark.parametrize(
    "raw",
    [
        {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {}, "lastTimestamp": None, "eventTime": "2026-01-01T00:00:00.123456Z"},
        {
            "metadata": {"creationTimestamp": "2025-01-01T00:00:00Z"},
            "series": {"lastObservedTime": "2026-01-01T00:00:00.5Z"},
        },
    ],
)
def test_the_latest_of_an_events_times_counts(raw: Raw) -> None:
    written = 1767225600.0
    assert not is_over(Object(raw), written + EVENT_SECONDS)
    assert is_over(Object(raw), written + EVENT_SECONDS + 1)


def test_history_holds_what_happened_in_the_last_five_minutes(cluster: Cluster) -> None:
    async def play() -> None:
        async with cluster.client() as client:
            store = cluster.stores[0]
            compaction = Compaction(store, 0.0)
            first = store.version
            await client.create(kinds.CONFIGMAP, {"metadata": {"name": "one", "namespace": "default"}})
            second = store.version
            compaction.advance(COMPACTION_SECONDS - 1)
            assert store.history.covers(0)
            compaction.advance(COMPACTION_SECONDS)
            assert store.history.covers(first)
            assert not store.history.covers(first - 1)
            compaction.advance(2 * COMPACTION_SECONDS)
            assert store.history.covers(second)
            assert not store.history.covers(second - 1)

    asyncio.run(play())


def test_of_much_that_happened_only_what_is_fresh_stays(cluster: Cluster) -> None:
    async def play() -> None:
        async with cluster.client() as client:
            store = cluster.stores[0]
            compaction = Compaction(store, 0.0)
            large = {"metadata": {"name": "large", "namespace": "default"}, "data": {"key": "x" * 900_000}}
            await client.create(kinds.CONFIGMAP, large)
            for number in range(6):
                changed = {"metadata": {"labels": {"number": str(number)}}}
                await client.patch(kinds.CONFIGMAP, "default", "large", changed)
            first = store.version
            compaction.advance(15.0)
            assert store.history.covers(0)
            await client.create(kinds.CONFIGMAP, {"metadata": {"name": "small", "namespace": "default"}})
            compaction.advance(30.0)
            compaction.advance(FRESH_SECONDS + 15.0)
            assert not store.history.covers(0)
            assert store.history.covers(first)

    asyncio.run(play())
