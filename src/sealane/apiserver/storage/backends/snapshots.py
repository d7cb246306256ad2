"""Snapshots: all objects of a store in one file, and stores made from one.

The file is an SQLite database as a stopped cluster has it, with a table `snapshot` of facts; among them is a digest of
all objects, so that a file which was cut or changed is recognised. A restored store goes on with higher versions than
the snapshot (and what was there before) had: a client that watches from an older one is told 410 and lists anew, as
after `etcdutl snapshot restore --bump-revision --mark-compacted`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from sealane.apiserver.storage.backends import Address, Change, StorageError, StoreDamaged
from sealane.apiserver.storage.backends.etcd import EtcdBackend
from sealane.apiserver.storage.backends.sqlite import SCHEMA, SqliteBackend, check

BUMP = 1_000_000
"""How much higher than anything before the versions of a restored store are."""

_FACTS = "CREATE TABLE snapshot (fact TEXT PRIMARY KEY, value TEXT NOT NULL)"
_ROWS = "SELECT grp, plural, namespace, name, data FROM objects ORDER BY grp, plural, namespace, name"


class Snapshot(msgspec.Struct, frozen=True):
    """The facts about one snapshot. facts: what `save` was given."""

    objects: int
    version: int
    facts: Mapping[str, str] = msgspec.field(default_factory=dict)


def save(source: EtcdBackend | Path, target: Path, facts: Mapping[str, str]) -> Snapshot:
    """Writes what is committed now to the new file `target` (0600), while the cluster goes on.

    source: a path is that of an SQLite store. Raises StorageError.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as made:
            if isinstance(source, Path):
                _copy(source, made)
            else:
                version, rows = source.read()
                _fill(made, rows, version)
            made.execute("PRAGMA journal_mode=DELETE")
            made.execute("DROP TABLE IF EXISTS snapshot")
            made.execute(_FACTS)
            digest, count = _digest(made)
            said = {**facts, "digest": digest, "objects": str(count)}
            made.executemany("INSERT INTO snapshot VALUES (?, ?)", said.items())
        found = verify(partial)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{target} cannot be written: {error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return found


def _copy(source: Path, made: sqlite3.Connection) -> None:
    """SQLite's online backup: https://www.sqlite.org/backup.html"""
    if not source.exists():
        raise StorageError(f"{source} is not there: this cluster holds no objects")
    with contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as kept:
        try:
            kept.backup(made)
        except sqlite3.DatabaseError as error:
            raise StoreDamaged(f"{source} is damaged ({error}): no snapshot was made") from None


def _fill(made: sqlite3.Connection, rows: Iterable[tuple[Address, bytes]], version: int) -> None:
    made.executescript(SCHEMA)
    made.execute("BEGIN")
    made.executemany(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?)",
        ((*address.resource, *address[1:], data) for address, data in rows),
    )
    made.execute("INSERT INTO version VALUES (1, ?)", (version,))
    made.execute("COMMIT")


def _digest(database: sqlite3.Connection) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    for *place, data in database.execute(_ROWS):
        digest.update("\0".join(place).encode() + b"\0%d\0" % len(data) + data)
        count += 1
    return digest.hexdigest(), count


def verify(path: Path) -> Snapshot:
    """Reads the whole file. Raises StorageError for one that is no snapshot, is cut, or was changed."""
    if not path.exists():
        raise StorageError(f"{path} is not there")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            check(database, str(path))
            facts = dict(database.execute("SELECT fact, value FROM snapshot"))
            (version,) = database.execute("SELECT value FROM version").fetchone() or (0,)
            digest, count = _digest(database)
    except (sqlite3.DatabaseError, StoreDamaged, TypeError) as error:
        raise StorageError(f"{path} is no snapshot, or it is damaged: {error}") from None
    if digest != facts.get("digest"):
        raise StorageError(f"{path} was changed or damaged after it was saved: its objects do not match its digest")
    return Snapshot(count, version, {key: value for key, value in facts.items() if key not in ("digest", "objects")})


def restore(path: Path, target: EtcdBackend | Path) -> Snapshot:
    """Makes `target` hold what the snapshot does, in place of anything else. No server may use it. Raises StorageError.

    target: a path is that of an SQLite store.
    """
    found = verify(path)
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        rows = [(Address((group, plural), *place), data) for group, plural, *place, data in database.execute(_ROWS)]
    if isinstance(target, Path):
        _replace(target, rows, found.version)
    else:
        before, there = target.load()
        changes = {address: Change(address, None) for address, _ in there}
        changes |= {address: Change(address, data) for address, data in rows}
        target.commit(tuple(changes.values()), max(found.version, before) + BUMP)
    return found


def _replace(target: Path, rows: list[tuple[Address, bytes]], version: int) -> None:
    """The new database is whole before it takes the old one's place."""
    before = 0
    if target.exists():
        with contextlib.suppress(StorageError):  # it may be damaged: that is why it is replaced
            old = SqliteBackend.open(target)
            try:
                before = old.load()[0]
            finally:
                old.close()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        made = SqliteBackend.open(partial)
        try:
            made.commit([Change(address, data) for address, data in rows], max(version, before) + BUMP)
        finally:
            made.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        os.replace(partial, target)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{target} cannot be written: {error}") from None
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{partial}{suffix}").unlink(missing_ok=True)
