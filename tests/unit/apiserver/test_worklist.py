"""The worklist of the followers, and what it promises: nothing that was due is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from sealane.apiserver.followers.quotas import Quotas
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.backends import StorageError
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds


async def _until(done: asyncio.Event) -> None:
    await asyncio.wait_for(done.wait(), 30)


@pytest.mark.parametrize("together", [False, True])
def test_an_item_that_the_store_fails_is_tried_again_and_the_others_do_not_wait(together: bool) -> None:
    async def test() -> None:
        tries: Counter[str] = Counter()
        order: list[str] = []
        done = asyncio.Event()

        async def work(item: str) -> None:
            tries[item] += 1
            if item == "bad" and tries[item] < 3:
                raise StorageError("no space left on device")
            order.append(item)
            if item == "bad":
                done.set()

        worklist = Worklist("test", work, together=together, retry_seconds=0.001)
        worklist.add(["bad", "good"])
        await _until(done)
        assert order == ["good", "bad"]
        assert tries == {"bad": 3, "good": 1}

    asyncio.run(test())


def test_an_item_added_while_it_is_worked_on_is_worked_on_again() -> None:
    async def test() -> None:
        seen: list[str] = []
        done = asyncio.Event()

        async def work(item: str) -> None:
            seen.append(item)
            if len(seen) == 1:
                worklist.add([item])
            else:
                done.set()

        worklist = Worklist("test", work)
        worklist.add(["one"])
        await _until(done)
        assert seen == ["one", "one"]

    asyncio.run(test())


def test_a_fault_of_one_item_does_not_stop_the_worklist(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        done = asyncio.Event()

        async def work(item: str) -> None:
            if item == "faulty":
                raise KeyError(item)
            done.set()

        Worklist("test", work).add(["faulty", "next"])
        await _until(done)

    asyncio.run(test())
    assert "KeyError" in caplog.text


def test_what_becomes_due_outside_an_event_loop_is_done_at_the_next_wake() -> None:
    seen: list[str] = []

    async def work(item: str) -> None:
        seen.append(item)

    worklist = Worklist("test", work)
    worklist.add(["early"])

    async def test() -> None:
        worklist.wake()
        while not seen:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(test(), 30))
    assert seen == ["early"]


def test_quotas_catch_up_after_the_store_has_failed_them(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status of a quota is written although the store failed when it was due, and nothing else happened since."""
    failures = 1
    follow = Quotas._follow

    async def failing(self: Quotas, quota: dict[str, object]) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageError("no space left on device")
        await follow(self, quota)

    monkeypatch.setattr(Quotas, "_follow", failing)

    async def test() -> None:
        store = Store.open(f"{tmp_path}/store.db")
        client = LocalClient(start_api(store))
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        raw = {"metadata": {"name": "q", "namespace": "default"}, "spec": {"hard": {"pods": "3"}}}
        await client.create(kinds.RESOURCEQUOTA, raw)
        while not (await client.get(kinds.RESOURCEQUOTA, "default", "q")).status.get("used"):
            await asyncio.sleep(0.01)
        store.close()

    asyncio.run(asyncio.wait_for(test(), 30))
    assert failures == 0
