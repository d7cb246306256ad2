"""Watches: watchers that get each commit as one batch of shared bytes, beginning with what they missed.

The protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.selection import Selection
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event, EventType, Stored, encode
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object

BEHIND = 20_000  # events that may wait for one watcher before it is told to list anew


class Seen(NamedTuple):
    """An event as a watcher of a selection sees it: an object that leaves it is DELETED, one that enters is ADDED."""

    type: EventType | Literal["BOOKMARK"]
    stored: Stored


Sink = Callable[["Batch"], bool]
"""Takes a batch at once; False when its reader is gone or too slow."""

Encoding = Callable[[Seen], bytes]
"""Bytes of one event, newline included. The same function object for all watchers that share bytes."""


def line(seen: Seen) -> bytes:
    """A watch event as JSON."""
    return b'{"type":"%s","object":%s}\n' % (seen.type.encode(), seen.stored.data)


class Batch:
    """The changes of one commit to one resource. Each selection is computed, and each encoding encoded, once."""

    __slots__ = ("_chunks", "_encoded", "_seen", "events", "version")

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.version = events[-1].stored.version
        self._seen: dict[Selection, Sequence[Seen]] = {}
        self._encoded: dict[tuple[Selection, Encoding], bytes] = {}
        self._chunks: dict[tuple[Selection, Encoding], bytes] = {}

    def seen(self, selection: Selection) -> Sequence[Seen]:
        found = self._seen.get(selection)
        if found is None:
            found = self._seen[selection] = _seen(self.events, selection)
        return found

    def encoded(self, selection: Selection, encoding: Encoding = line) -> bytes:
        found = self._encoded.get((selection, encoding))
        if found is None:
            found = b"".join(map(encoding, self.seen(selection)))
            self._encoded[(selection, encoding)] = found
        return found

    def chunk(self, selection: Selection, encoding: Encoding) -> bytes:
        """The same as a chunk of a chunked HTTP/1.1 body (RFC 9112, section 7.1)."""
        found = self._chunks.get((selection, encoding))
        if found is None:
            body = self.encoded(selection, encoding)
            found = self._chunks[(selection, encoding)] = b"%x\r\n%s\r\n" % (len(body), body)
        return found


def _seen(events: Iterable[Event], selection: Selection) -> Sequence[Seen]:
    if selection.everything:
        return [Seen(event.type, event.stored) for event in events]
    found: list[Seen] = []
    for type_, address, stored, before in events:
        if selection.namespace is not None and address.namespace != selection.namespace:
            continue
        if not selection.narrow:
            found.append(Seen(type_, stored))
            continue
        was = before is not None and selection.matches(before.object)
        now = type_ != "DELETED" and selection.matches(stored.object)
        if now:
            found.append(Seen("MODIFIED" if was else "ADDED", stored))
        elif was:
            found.append(Seen("DELETED", stored if type_ == "DELETED" or before is None else _left(before, stored)))
    return found


def _left(before: Stored, stored: Stored) -> Stored:
    """The event of an object that leaves a watcher's selection: its last state there, with the version of now."""
    raw = before.object.raw
    raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(stored.version)}}
    return Stored(stored.version, Object(raw), encode(raw))


class Watch:
    """The batches that touch `resource` and `selection`, several at once when the reader is slow.

    Ends when the server closes it; raises ApiError 410 when its reader has fallen too far behind.
    """

    def __init__(self, hub: Hub, resource: Resource, selection: Selection) -> None:
        self.selection = selection
        self.resource = resource
        self._hub = hub
        self._batches: list[Batch] = []
        self._count = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._sink: Sink | None = None

    @property
    def version(self) -> int:
        """The reader of this watch has been told of everything up to this version: what a bookmark may say."""
        return self._hub.told

    def pour(self, sink: Sink) -> None:
        """From now on `sink` gets every batch as soon as it is there, first those that wait; `next` gets none.

        So a commit costs each of many watchers one write, and no turn of a task. The watch ends when `sink` says so.
        """
        waiting, self._batches, self._count = self._batches, [], 0
        self._sink = sink
        for batch in waiting:
            self.push(batch)

    def push(self, batch: Batch) -> None:
        if self._sink is not None:
            if not self._ended and not self._sink(batch):
                self.close()
            return
        self._batches.append(batch)
        self._count += len(batch.events)
        if self._count > BEHIND:
            self._ended = True
        self._wake()

    def close(self) -> None:
        self._ended = True
        self._hub.leave(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self, timeout: float | None = None) -> Sequence[Batch] | None:
        """The batches that came since; empty after `timeout` seconds without any; None at the end."""
        if not self._batches and not self._ended:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(timeout, self._wake) if timeout is not None else None
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if self._count > BEHIND:
            self._hub.leave(self)
            raise expired("the watch has fallen too far behind")
        if self._ended:
            return None
        batches, self._batches, self._count = self._batches, [], 0
        return batches

    async def batches(self) -> AsyncGenerator[Sequence[Batch], None]:
        while (batches := await self.next()) is not None:
            yield batches


class Hub:
    """All watchers of a store.

    Telling hundreds of watchers takes longer than a commit. So that writers are not held up, telling never takes more
    than half of the time: commits during a pause are told together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.told = store.version  # every watcher has been told of everything up to this version
        self._untold: list[Event] = []
        self._pause_ends = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._watches: dict[Resource, set[Watch]] = {}
        store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        self._untold.extend(events)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._pause_ends:
                self._tell()
            else:
                self._timer = loop.call_at(self._pause_ends, self._tell)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        began = time.monotonic()
        untold, self._untold = self._untold, []
        self.told = untold[-1].stored.version
        parts: dict[Resource, list[Event]] = {}
        for event in untold:
            parts.setdefault(event.address.resource, []).append(event)
        for resource, part in parts.items():
            watches = self._watches.get(resource)
            if watches:
                batch = Batch(part)
                for watch in tuple(watches):
                    if watch.selection.everything or batch.seen(watch.selection):
                        watch.push(batch)
        ended = time.monotonic()
        self._pause_ends = asyncio.get_running_loop().time() + (ended - began)

    def watch(self, resource: Resource, selection: Selection, version: int) -> Watch:
        """The events after `version`. Raises ApiError 410 when that is too long ago."""
        history = self._store.history
        if not history.covers(version):
            raise expired(f"too old resource version: {version} ({history.oldest})")
        if self._untold:
            self._tell()  # to the others; this watch finds it in the history
        watch = Watch(self, resource, selection)
        missed = history.since(version, resource)
        if missed:
            watch.push(Batch(missed))
        self._watches.setdefault(resource, set()).add(watch)
        return watch

    def leave(self, watch: Watch) -> None:
        self._watches.get(watch.resource, set()).discard(watch)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watches in self._watches.values():
            for watch in tuple(watches):
                watch.close()

    @property
    def count(self) -> int:
        return sum(map(len, self._watches.values()))


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)
