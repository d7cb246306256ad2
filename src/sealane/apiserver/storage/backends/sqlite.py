"""Objects in an SQLite database: write-ahead log, synchronous=FULL, one transaction for each batch.

Sources: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html (quick_check, auto_vacuum, synchronous)
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from sealane.apiserver.storage.backends import Address, Change, StorageError, StoreDamaged

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    grp TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (grp, plural, namespace, name));
CREATE TABLE IF NOT EXISTS version (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
"""
_LOG_BYTES = 16 << 20  # what is left of the write-ahead log after a checkpoint
_LOOK_EVERY = 256  # commits between two looks at how much of the file is free
_FREE_PAGES = 1024  # of 4 KiB: less is not worth the work while commits wait
_FREE_PAGES_LEFT = 64  # … and when nobody hurries
_FREE_PAGES_AT_ONCE = 4096


class SqliteBackend:
    largest = 1 << 29  # SQLite's own limit is twice that

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._commits = 0

    @classmethod
    def open(cls, path: str | Path) -> SqliteBackend:
        """Opens or makes the database; one that was not closed properly is checked first. Raises StorageError."""
        path = os.fspath(path)
        try:
            # SQLite removes the log when it closes: one that is there was left by a crash.
            crashed = os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
            new = not os.path.exists(path)
            if new:
                _make(path)
            empty = os.path.getsize(path) == 0
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{path} cannot be opened: {error}") from None
        if empty:
            connection.close()
            raise damaged(path, "the file is empty, which a database never is")
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
            if crashed:
                check(connection, path)
            connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise damaged(path, error) from None
        return cls(connection, path)

    def load(self) -> tuple[int, Iterator[tuple[Address, bytes]]]:
        try:
            row = self._connection.execute("SELECT value FROM version").fetchone()
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, error) from None
        return (row[0] if row else 0), self._rows()

    def _rows(self) -> Iterator[tuple[Address, bytes]]:
        try:
            for group, plural, namespace, name, data in self._connection.execute("SELECT * FROM objects"):
                yield Address((group, plural), namespace, name), data
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, error) from None

    def commit(self, changes: Sequence[Change], version: int) -> None:
        put = [(*address.resource, *address[1:], data) for address, data in changes if data is not None]
        gone = [(*address.resource, *address[1:]) for address, data in changes if data is None]
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", put)
                connection.executemany(
                    "DELETE FROM objects WHERE grp = ? AND plural = ? AND namespace = ? AND name = ?", gone
                )
                connection.execute("INSERT OR REPLACE INTO version VALUES (1, ?)", (version,))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._commits += 1
            if self._commits % _LOOK_EVERY == 0:
                self._shrink()
        except sqlite3.Error as error:
            raise StorageError(f"the store cannot be written: {error}") from None

    def _shrink(self) -> None:
        """Gives free pages back to the file system once they are most of the file."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        if free > _FREE_PAGES and free * 2 > pages:
            self._connection.executescript(f"PRAGMA incremental_vacuum({free // 2})")  # `execute` would free one page

    def tidy(self) -> None:
        """Gives back free pages, so many at once as take milliseconds, and the log with what has been written since."""
        try:
            (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
            if free > _FREE_PAGES_LEFT:
                self._connection.executescript(f"PRAGMA incremental_vacuum({min(free, _FREE_PAGES_AT_ONCE)})")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"the store cannot be written: {error}") from None

    def close(self) -> None:
        self._connection.close()


def _make(path: str) -> None:
    """A database without tables, in write-ahead mode. It has its name only when it has its header: so an empty file
    was not left by a server that was killed while it began."""
    draft = f"{path}-new"
    os.close(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
    os.replace(draft, path)


def check(connection: sqlite3.Connection, path: str) -> None:
    """Raises StoreDamaged when the database is not sound."""
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from None
    if said != "ok":
        raise damaged(path, said)


def damaged(path: str, why: object) -> StoreDamaged:
    said = " ".join(str(why).removeprefix("*** in database main ***").split())
    return StoreDamaged(
        f"{path} is damaged ({said}). Nothing was changed; restore a snapshot with: sealane snapshot restore FILE, "
        "or start anew: sealane down removes it"
    )
