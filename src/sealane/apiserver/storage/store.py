"""The store: every object in memory and in a backend, one increasing resourceVersion, one commit for all that wait.

A write is prepared on the event loop against the newest state (`head`), so precondition and write are one step. All
writes that wait are then committed together by one thread, and are on disk after that; only then they are acknowledged,
visible to `get` and `items`, and told to subscribers. An acknowledged write survives whatever happens to the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from sealane.apiserver.storage.backends import Address, Backend, Change, Resource, StorageError, StoreDamaged
from sealane.apiserver.storage.backends.sqlite import SqliteBackend
from sealane.apiserver.storage.history import History
from sealane.apiserver.storage.values import Event, Stored, encode
from sealane.kube.objects import Object, Raw

PATIENCE_SECONDS = 3.0
"""For which a request waits until a version it names is there: k8s.io/apiserver/pkg/storage/cacher, blockTimeout."""

_decode: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)


class _Write(NamedTuple):
    address: Address
    stored: Stored
    deleted: bool


class Store:
    """Belongs to the event loop in which its first write is awaited."""

    def __init__(self, backend: Backend, version: int) -> None:
        self.version = version  # of the last committed write
        self.history = History(version)
        self._newest = version  # of the last prepared write
        self._backend = backend
        self._objects: dict[Resource, dict[str, dict[str, Stored]]] = {}
        self._sorted: dict[tuple[Resource, str], Sequence[str]] = {}  # names, until one comes or goes
        self._uids: dict[str, Address] = {}
        self._head: dict[Address, _Write] = {}
        self._waiting: list[_Write] = []
        self._waiters: asyncio.Future[None] | None = None
        self._committing: asyncio.Future[None] | None = None
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._subscribers: list[Callable[[Sequence[Event]], None]] = []
        self._unsure: set[Address] = set()  # in a commit that failed: the next one writes what they really are
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._closed = False

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """In the SQLite database at `path`, which is made when there is none. Raises StorageError."""
        return cls.on(SqliteBackend.open(path))

    @classmethod
    def on(cls, backend: Backend) -> Store:
        """The store over the objects of `backend`. Raises StorageError."""
        try:
            version, rows = backend.load()
            store = cls(backend, version)
            for address, data in rows:
                found = Object(_decode.decode(data))
                store._keep(address, Stored(int(found.resource_version), found, data))
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            backend.close()
            raise StoreDamaged(f"an object in the store cannot be read: {error}") from None
        except StorageError:
            backend.close()
            raise
        return store

    def close(self) -> None:
        """Commits what waits, then closes the database. The store cannot be used after that."""
        if self._closed:
            return
        self._closed = True
        self._committer.shutdown(wait=True)
        if self._waiting:
            self._commit(self._waiting, self._newest)
        self._backend.close()

    # Reading what is committed

    def get(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def items(self, resource: Resource, namespace: str | None = None) -> Iterator[Stored]:
        """In the order of their names (and namespaces, when `namespace` is None: all of them)."""
        by_namespace = self._objects.get(resource, {})
        for each in sorted(by_namespace) if namespace is None else (namespace,):
            names = by_namespace.get(each)
            if names:
                yield from map(names.__getitem__, self.names(resource, each))

    def names(self, resource: Resource, namespace: str) -> Sequence[str]:
        """In their order. Sorted once for all that read between two changes of which names there are."""
        found = self._sorted.get((resource, namespace))
        if found is None:
            found = sorted(self._objects.get(resource, {}).get(namespace, ()))
            self._sorted[(resource, namespace)] = found
        return found

    def resources(self) -> Iterable[Resource]:
        """The resources that hold, or once held, an object."""
        return tuple(self._objects)

    def by_uid(self, uid: str) -> Address | None:
        return self._uids.get(uid)

    def subscribe(self, told: Callable[[Sequence[Event]], None]) -> None:
        """Calls `told` after each commit with its events in the order of their resourceVersions."""
        self._subscribers.append(told)

    async def reached(self, version: int, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether `version` has been committed, within `seconds`."""
        if version <= self.version:
            return True
        future = asyncio.get_running_loop().create_future()
        awaited = (version, future)
        self._awaited.append(awaited)
        try:
            await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return False
        finally:
            self._awaited.remove(awaited)
        return True

    # Writing

    def head(self, resource: Resource, namespace: str, name: str) -> Stored | None:
        """The newest state, which may still wait for its commit: what a write has to be based on."""
        write = self._head.get(Address(resource, namespace, name))
        if write is not None:
            return None if write.deleted else write.stored
        return self.get(resource, namespace, name)

    def stamped(self, raw: Raw) -> Stored:
        """`raw` with the next resourceVersion. Every stamped state has to be written, and in the order of stamping."""
        self._newest += 1
        raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self._newest)}}
        return Stored(self._newest, Object(raw), encode(raw))

    async def write(self, address: Address, stored: Stored, deleted: bool = False) -> None:
        """Makes `stored` the state of `address`, or the last one; returns when that is on disk.

        The write happens also when the caller is cancelled. Raises StorageError.
        """
        self.enqueue(address, stored, deleted)
        await self.flush()

    def enqueue(self, address: Address, stored: Stored, deleted: bool = False) -> None:
        """The first half of `write`: from now on, `head` tells of it."""
        if self._closed:
            raise StorageError("the store is closed")
        if len(stored.data) > self._backend.largest:  # alone: nothing else of its commit fails with it
            raise StorageError(
                f"an object of {len(stored.data)} bytes: the store takes at most {self._backend.largest}"
            )
        write = _Write(address, stored, deleted)
        self._head[address] = write
        self._waiting.append(write)
        if self._waiters is None:
            loop = asyncio.get_running_loop()
            self._waiters = loop.create_future()
            if self._committing is None:
                loop.call_soon(self._start_together, 0)

    async def flush(self) -> None:
        """Returns when everything that waits now is on disk."""
        waiters = self._waiters or self._committing
        if waiters is not None:
            await asyncio.shield(waiters)

    async def tidy(self) -> None:
        """Lets the backend give back what deleted objects took, between two commits. Raises StorageError."""
        if not self._closed:
            await asyncio.get_running_loop().run_in_executor(self._committer, self._backend.tidy)

    def _start_together(self, before: int) -> None:
        """Starts the commit when a turn of the event loop brings no further write: one costs as much for many."""
        if len(self._waiting) > before:
            asyncio.get_running_loop().call_soon(self._start_together, len(self._waiting))
        else:
            self._start()

    def _start(self) -> None:
        writes, waiters = self._waiting, self._waiters
        if waiters is None or self._closed:
            return
        self._waiting, self._waiters, self._committing = [], None, waiters
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._committer, self._commit, writes, writes[-1].stored.version)
        done.add_done_callback(lambda future: self._done(writes, waiters, future.exception()))

    def _commit(self, writes: Sequence[_Write], version: int) -> None:
        """In the committer's thread. Only the last write of each object reaches the backend."""
        changes = {
            address: Change(address, stored.data if (stored := self.get(*address)) else None)
            for address in self._unsure
        }
        changes |= {
            write.address: Change(write.address, None if write.deleted else write.stored.data) for write in writes
        }
        self._unsure.update(changes)
        self._backend.commit(tuple(changes.values()), version)
        self._unsure.clear()

    def _done(self, writes: Sequence[_Write], waiters: asyncio.Future[None], error: BaseException | None) -> None:
        self._committing = None
        if error is not None:
            self._refuse(waiters, error)
            return
        events = [self._publish(write) for write in writes]
        self.version = writes[-1].stored.version
        self.history.extend(events)
        for told in self._subscribers:
            told(events)
        waiters.set_result(None)
        for version, future in self._awaited:
            if version <= self.version and not future.done():
                future.set_result(None)
        if self._waiters is not None:
            self._start()

    def _refuse(self, waiters: asyncio.Future[None], error: BaseException) -> None:
        """Waiting writes were prepared against a state that will never be: all of it fails."""
        failed = error if isinstance(error, StorageError) else StorageError(f"the store cannot be written: {error}")
        later, self._waiters = self._waiters, None
        self._waiting = []
        self._head.clear()
        for each in (waiters, later):
            if each is not None:
                each.set_exception(failed)
                each.exception()  # told to callers that still wait, if any

    def _publish(self, write: _Write) -> Event:
        address = write.address
        before = self.get(*address)
        if self._head.get(address) is write:
            del self._head[address]
        if write.deleted:
            self._forget(address)
            return Event("DELETED", address, write.stored, before)
        self._keep(address, write.stored)
        return Event("MODIFIED" if before else "ADDED", address, write.stored, before)

    def _keep(self, address: Address, stored: Stored) -> None:
        resource, namespace, name = address
        names = self._objects.setdefault(resource, {}).setdefault(namespace, {})
        if name not in names:
            self._sorted.pop((resource, namespace), None)
        names[name] = stored
        self._uids[stored.object.uid] = address

    def _forget(self, address: Address) -> None:
        resource, namespace, name = address
        names = self._objects.get(resource, {}).get(namespace, {})
        stored = names.pop(name, None)
        if stored is not None:
            self._uids.pop(stored.object.uid, None)
            self._sorted.pop((resource, namespace), None)
        if not names:
            self._objects.get(resource, {}).pop(namespace, None)

    def namespaces(self, resource: Resource) -> Mapping[str, Mapping[str, Stored]]:
        """namespace → name → object of what is committed."""
        return self._objects.get(resource, {})
