"""The store: what it acknowledged is there after a kill -9, in the order of its versions."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sealane.apiserver.storage.backends import Address, Change, StorageError, StoreDamaged, sqlite
from sealane.apiserver.storage.backends.sqlite import SqliteBackend
from sealane.apiserver.storage.history import History
from sealane.apiserver.storage.store import Store
from sealane.kube.objects import Object

WRITER = """
import asyncio, sys
from sealane.apiserver.storage.store import Address, Store

async def main():
    store = Store.open(sys.argv[1])
    async def one(worker):
        for number in range(10_000):
            name = f"{worker}-{number}"
            raw = {"metadata": {"name": name, "namespace": "ns", "uid": name}, "data": {"number": number}}
            stored = store.stamped(raw)
            await store.write(Address(("", "configmaps"), "ns", name), stored)
            print(name, stored.version, flush=True)
    await asyncio.gather(*(one(worker) for worker in range(16)))

asyncio.run(main())
"""


def test_every_acknowledged_write_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(400)]
        writer.send_signal(signal.SIGKILL)
        said += [line for line in writer.stdout.readlines() if line.endswith("\n")]
    acknowledged = {name: int(version) for name, version in (line.split() for line in said)}
    assert len(acknowledged) >= 400
    store = Store.open(path)
    found = {stored.object.name: stored.version for stored in store.items(("", "configmaps"))}
    assert {name: found.get(name) for name in acknowledged} == acknowledged
    assert store.version >= max(acknowledged.values())
    store.close()


def test_a_failed_commit_is_told_to_all_who_wait_and_leaves_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        backend = SqliteBackend.open(tmp_path / "store.db")
        backend._connection.execute("PRAGMA busy_timeout = 50")
        store = Store.on(backend)
        address = Address(("", "configmaps"), "ns", "a")
        lock = sqlite3.connect(tmp_path / "store.db")
        lock.execute("BEGIN IMMEDIATE")
        stored = store.stamped({"metadata": {"name": "a", "namespace": "ns", "uid": "1"}})
        with pytest.raises(StorageError, match="locked"):
            await store.write(address, stored)
        assert store.get(*address) is None
        assert store.head(*address) is None
        lock.execute("ROLLBACK")
        lock.close()
        again = store.stamped(stored.object.raw)
        await store.write(address, again)
        assert store.get(*address) == again
        store.close()

    asyncio.run(test())


def test_reads_see_only_what_is_committed_and_writers_the_newest(tmp_path: Path) -> None:
    async def test() -> None:
        store = Store.open(tmp_path / "store.db")
        address = Address(("", "configmaps"), "ns", "a")
        stored = store.stamped({"metadata": {"name": "a", "namespace": "ns", "uid": "1"}})
        told: list[int] = []
        store.subscribe(lambda events: told.extend(event.stored.version for event in events))
        writing = asyncio.ensure_future(store.write(address, stored))
        await asyncio.sleep(0)
        assert store.head(*address) == stored
        assert store.get(*address) is None
        assert told == []
        await writing
        assert store.get(*address) == stored
        assert told == [stored.version]
        store.close()

    asyncio.run(test())


CONFIGMAPS = ("", "configmaps")


async def fill(store: Store, count: int, size: int = 100, prefix: str = "c") -> None:
    for number in range(count):
        name = f"{prefix}-{number}"
        raw = {"metadata": {"name": name, "namespace": "ns", "uid": name}, "data": {"k": "v" * size}}
        store.enqueue(Address(CONFIGMAPS, "ns", name), store.stamped(raw))
    await store.flush()


@pytest.mark.parametrize("damage", ["empty", "cut", "zeroed", "text", "row"])
def test_a_damaged_file_is_recognised_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store.db"

    async def made() -> None:
        store = Store.open(path)
        await fill(store, 500)
        store.close()

    asyncio.run(made())
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "zeroed":
        path.write_bytes(data[:8192] + bytes(len(data) - 16384) + data[-8192:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_bytes(b"this was a database\n" * 500)
    else:
        with sqlite3.connect(path) as database:
            database.execute("UPDATE objects SET data = ? WHERE name = 'c-7'", (b'{"metadata":',))
        database.close()
    before = path.read_bytes()
    with pytest.raises(StoreDamaged) as refused:
        Store.open(path)
    if damage != "row":
        assert f"{path} is damaged" in str(refused.value)
        assert "sealane snapshot restore FILE" in str(refused.value)
    assert path.read_bytes() == before


def test_a_store_that_crashed_is_checked_and_a_closed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    checked: list[str] = []
    monkeypatch.setattr(sqlite, "check", lambda _connection, where: checked.append(where))

    async def test() -> None:
        store = Store.open(path)
        await fill(store, 10)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", tmp_path / f"crashed.db{suffix}")
        store.close()
        Store.open(path).close()
        assert checked == []
        crashed = Store.open(tmp_path / "crashed.db")
        assert len(list(crashed.items(CONFIGMAPS))) == 10
        crashed.close()
        assert checked == [str(tmp_path / "crashed.db")]

    asyncio.run(test())


def test_the_file_shrinks_again_while_the_store_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_LOOK_EVERY", 4)

    async def test() -> None:
        backend = SqliteBackend.open(tmp_path / "store.db")
        store = Store.on(backend)
        await fill(store, 3000, 4000)
        for number in range(2990):
            stored = store.get(CONFIGMAPS, "ns", f"c-{number}")
            assert stored is not None
            store.enqueue(Address(CONFIGMAPS, "ns", f"c-{number}"), store.stamped(stored.object.raw), deleted=True)
        await store.flush()
        (full,) = backend._connection.execute("PRAGMA page_count").fetchone()
        for _ in range(40):
            await fill(store, 1, prefix="later")
        (pages,) = backend._connection.execute("PRAGMA page_count").fetchone()
        assert pages < full / 2
        assert len(list(store.items(CONFIGMAPS))) == 11
        store.close()
        assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600

    asyncio.run(test())


def test_history_is_bounded_in_events_and_bytes(tmp_path: Path) -> None:
    async def test() -> None:
        store = Store.open(tmp_path / "store.db")
        store.history = History(0, events=50, size=100_000)
        await fill(store, 200)
        assert [each.stored.version for each in store.history.since(150, CONFIGMAPS)] == list(range(151, 201))
        assert (store.history.covers(150), store.history.covers(149)) == (True, False)
        await fill(store, 30, 10_000)
        assert store.history.oldest >= 220
        store.close()

    asyncio.run(test())


def test_history_counts_what_objects_were_before_and_keeps_nothing_parsed(tmp_path: Path) -> None:
    async def test() -> None:
        store = Store.open(tmp_path / "store.db")
        await fill(store, 20, 10_000)
        store.history = History(store.version, size=100_000)
        for number in range(20):
            address = Address(CONFIGMAPS, "ns", f"c-{number}")
            await store.write(address, store.stamped({"metadata": {"name": f"c-{number}"}}), deleted=True)
        assert not store.history.covers(30)  # twenty objects of 10,000 bytes are gone: no more than ten of them stay
        gc.collect()
        assert [each for each in gc.get_objects() if isinstance(each, Object) and each.name.startswith("c-")] == []
        assert [each.stored.object.name for each in store.history.since(39, CONFIGMAPS)] == ["c-19"]
        store.close()

    asyncio.run(test())


def test_tidying_gives_back_the_pages_of_deleted_objects_without_another_commit(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "store.db"
        store = Store.open(path)
        await fill(store, 500, 4000)
        for number in range(500):
            stored = store.get(CONFIGMAPS, "ns", f"c-{number}")
            assert stored is not None
            store.enqueue(Address(CONFIGMAPS, "ns", f"c-{number}"), store.stamped(stored.object.raw), deleted=True)
        await store.flush()
        await store.tidy()
        assert path.stat().st_size < 100_000
        assert (tmp_path / "store.db-wal").stat().st_size == 0
        store.close()

    asyncio.run(test())


class Moody(SqliteBackend):
    """Says now and then that a commit failed although it did not: as when the answer of etcd is lost."""

    chance = random.Random(5)

    def commit(self, changes: Sequence[Change], version: int) -> None:
        fails = self.chance.random() < 0.3
        if not fails or self.chance.random() < 0.5:
            super().commit(changes, version)
        if fails:
            raise StorageError("no answer")


def test_after_failures_that_were_none_memory_and_disk_agree(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def test() -> None:
        store = Store.on(Moody.open(path))
        for number in range(300):
            address = Address(CONFIGMAPS, "ns", f"c-{number % 9}")
            raw = {"metadata": {"name": address.name, "namespace": "ns", "uid": "1"}, "data": {"n": str(number)}}
            with contextlib.suppress(StorageError):
                await store.write(address, store.stamped(raw), deleted=number % 4 == 0)
        for _ in range(50):  # until one goes through
            with contextlib.suppress(StorageError):
                await fill(store, 1)
                break
        before = {each.object.name: each.data for each in store.items(CONFIGMAPS)}
        store.close()
        again = Store.open(path)
        assert {each.object.name: each.data for each in again.items(CONFIGMAPS)} == before
        again.close()

    asyncio.run(test())
