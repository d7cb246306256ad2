"""The store: what it acknowledged is there after a kill -9, in the order of its versions."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sealane.apiserver.store import Address, StorageError, Store

WRITER = """
import asyncio, sys
from sealane.apiserver.store import Address, Store

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
        store = Store.open(tmp_path / "store.db")
        address = Address(("", "configmaps"), "ns", "a")
        lock = sqlite3.connect(tmp_path / "store.db")
        lock.execute("BEGIN IMMEDIATE")
        store._connection.execute("PRAGMA busy_timeout = 50")
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
