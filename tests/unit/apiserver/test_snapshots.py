"""Snapshots of a store that is written meanwhile, and stores made from them."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sealane.apiserver.storage.backends import Address, StorageError, snapshots
from sealane.apiserver.storage.store import Store

CONFIGMAPS = ("", "configmaps")


async def put(store: Store, name: str, value: str) -> None:
    raw = {"metadata": {"name": name, "namespace": "ns", "uid": name}, "data": {"k": value}}
    await store.write(Address(CONFIGMAPS, "ns", name), store.stamped(raw))


def values(store: Store) -> dict[str, str]:
    return {each.object.name: each.object.raw["data"]["k"] for each in store.items(CONFIGMAPS)}


def test_a_snapshot_is_of_one_moment_and_restores_to_it(tmp_path: Path) -> None:
    path, file = tmp_path / "store.db", tmp_path / "saved"

    async def test() -> None:
        store = Store.open(path)

        async def write() -> None:
            for number in range(300):  # a before b, always: a state with b newer than a never was
                await put(store, "a", str(number))
                await put(store, "b", str(number))

        writing = asyncio.ensure_future(write())
        while len(values(store)) < 2:
            await asyncio.sleep(0)
        saved = await asyncio.to_thread(snapshots.save, path, file, {"cluster": "c"})
        await writing
        assert file.stat().st_mode & 0o777 == 0o600
        assert saved == snapshots.verify(file)
        assert (saved.objects, saved.facts) == (2, {"cluster": "c"})
        await put(store, "late", "x")
        newest = store.version
        store.close()
        snapshots.restore(file, path)
        again = Store.open(path)
        found = values(again)
        assert found.keys() == {"a", "b"}
        assert int(found["a"]) - int(found["b"]) in (0, 1)
        assert again.version > newest
        assert not again.history.covers(newest)
        await put(again, "new", "y")
        again.close()
        assert sorted(each.name for each in tmp_path.iterdir()) == ["saved", "store.db"]

    asyncio.run(test())


def saved(folder: Path) -> Path:
    async def test() -> None:
        store = Store.open(folder / "store.db")
        for number in range(50):
            await put(store, f"c-{number}", "v" * 500)
        store.close()

    asyncio.run(test())
    snapshots.save(folder / "store.db", folder / "saved", {})
    return folder / "saved"


@pytest.mark.parametrize("damage", ["cut", "changed", "text", "none"])
def test_a_file_that_is_no_sound_snapshot_restores_nothing(tmp_path: Path, damage: str) -> None:
    file = saved(tmp_path)
    target = tmp_path / "other.db"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:9000])
    elif damage == "changed":
        with sqlite3.connect(file) as database:
            database.execute("DELETE FROM objects WHERE name = 'c-7'")
        database.close()
    elif damage == "text":
        file.write_text("not a database" * 100)
    else:
        file.unlink()
    with pytest.raises(StorageError, match=r"is no snapshot, or it is damaged|was changed or damaged|is not there"):
        snapshots.restore(file, target)
    assert not target.exists()


def test_what_cannot_be_saved_leaves_no_file(tmp_path: Path) -> None:
    for source, target in ((tmp_path / "none.db", tmp_path / "saved"), (saved(tmp_path), tmp_path / "no/folder")):
        target.unlink(missing_ok=True) if target.parent.exists() and source.name != "saved" else None
        with pytest.raises(StorageError):
            snapshots.save(source, target, {})
        assert not target.exists()


def test_a_damaged_store_is_replaced(tmp_path: Path) -> None:
    file = saved(tmp_path)
    (tmp_path / "store.db").write_text("gone" * 1000)
    assert snapshots.restore(file, tmp_path / "store.db").objects == 50
    store = Store.open(tmp_path / "store.db")
    assert len(values(store)) == 50
    store.close()
