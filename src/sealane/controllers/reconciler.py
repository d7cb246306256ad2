"""The thin shell of controllers that are state machines: plans for one object at a time, carried out and then seen.

A plan is a pure function of what the collections hold. It is made again whenever what it read may have changed, but not
before the informers show what the last plan wrote: so no plan is made from the past, and none does its work twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sealane.controllers.actions import Action, Again, Create, Delete, Patch, Say
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change, Collection
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds to wait for the informers to show a write. What is made and deleted at once may never show."""


class Reconciler:
    """Carries out `plan(object)` for each object of `kind`, one plan at a time for each, `parallel` writes in all.

    sources: the informers' collections of every kind that plans write. pause: least seconds between two plans for one
    object, so that a burst of changes costs few plans. When a plan or one of its writes fails, another is made with
    back-off.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        sources: Mapping[Kind, Collection[Key, Object]],
        plan: Callable[[Object], Iterable[Action]],
        recorder: Recorder,
        *,
        parallel: int = 64,
        pause: float = 0.005,
        backoff: Backoff = Backoff(first=0.1),  # noqa: B008 - frozen
    ) -> None:
        self.kind = kind
        self.plans = 0
        self._client = client
        self._objects = sources[kind]
        self._sources = sources
        self._plan = plan
        self._recorder = recorder
        self._slots = asyncio.Semaphore(parallel)
        self._pause = pause
        self._backoff = backoff
        self._busy: set[Key] = set()
        self._stale: set[Key] = set()  # of busy keys: those to look at again
        self._timers: dict[Key, tuple[float, asyncio.Handle]] = {}  # when; uvloop's handle of what is due now has none
        self._last: dict[Key, float] = {}
        self._unseen: dict[Key, dict[tuple[Kind, Key], tuple[Object | None, float]]] = {}
        self._failures: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Callable[[], None]] = []
        self._followed: list[tuple[Collection[Any, Any], Callable[[Any], Iterable[Key]]]] = []
        self._running = False

    def follow(self, collection: Collection[Any, Any], wakes: Callable[[Any], Iterable[Key]]) -> None:
        """A change of a value in `collection` wakes the objects of these keys, of its old and of its new value."""
        self._followed.append((collection, wakes))

    def start(self) -> None:
        """Needs a running event loop and synced informers."""
        self._running = True
        self._subscriptions.append(self._objects.subscribe(self._objects_changed))
        for collection, wakes in self._followed:
            self._subscriptions.append(collection.subscribe(self._follower(wakes), replay=False))

    async def stop(self) -> None:
        """Lets the writes under way end."""
        self._running = False
        for unsubscribe in self._subscriptions:
            unsubscribe()
        for _, handle in self._timers.values():
            handle.cancel()
        self._timers.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def wake(self, key: Key, after: float = 0.0) -> None:
        """Plan for `key` soon, or in `after` seconds."""
        if not self._running:
            return
        if key in self._busy and not after:
            self._stale.add(key)
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + after
        at = max(at, self._last.get(key, 0.0) + self._pause)
        timer = self._timers.get(key)
        if timer is not None:
            due, handle = timer
            if due <= at:
                return
            handle.cancel()
        self._timers[key] = at, loop.call_at(at, self._begin, key)

    def _objects_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            if change.new is None:
                self._forget(change.key)
            else:
                self.wake(change.key)

    def _follower(self, wakes: Callable[[Any], Iterable[Key]]) -> Callable[[Sequence[Change[Any, Any]]], None]:
        def receive(changes: Sequence[Change[Any, Any]]) -> None:
            woken: dict[Key, None] = {}
            for change in changes:
                for value in (change.old, change.new):
                    if value is not None:
                        woken.update(dict.fromkeys(wakes(value)))
            for key in woken:
                self.wake(key)

        return receive

    def _forget(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()
        self._last.pop(key, None)
        self._unseen.pop(key, None)
        self._failures.pop(key, None)

    def _begin(self, key: Key) -> None:
        self._timers.pop(key, None)
        value = self._objects.get(key)
        if value is None or not self._running:
            return
        if key in self._busy:
            self._stale.add(key)
            return
        wait = self._lag(key)
        if wait is not None:
            self.wake(key, wait)  # what is not seen yet will wake it before
            return
        self._busy.add(key)
        self.plans += 1
        task = asyncio.create_task(self._carry_out(key, value))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lag(self, key: Key) -> float | None:
        """None when the informers show all that was written for `key`, else how long it may still take."""
        unseen = self._unseen.get(key)
        if not unseen:
            return None
        now = asyncio.get_running_loop().time()
        for (kind, name), (written, until) in list(unseen.items()):
            if now >= until or _shows(self._sources[kind].get(name), written):
                del unseen[kind, name]
        if not unseen:
            del self._unseen[key]
            return None
        return max(until for _, until in unseen.values()) - now

    async def _carry_out(self, key: Key, value: Object) -> None:
        failed = False
        try:
            failed = not await self._do(key, value, list(self._plan(value)))
        except Exception:
            log.exception("%s: cannot be reconciled", key)
            failed = True
        finally:
            self._busy.discard(key)
            self._last[key] = asyncio.get_running_loop().time()
            if failed:
                self._failures[key] = self._failures.get(key, 0) + 1
                self.wake(key, self._backoff.delay(self._failures[key]))
            else:
                self._failures.pop(key, None)
            if key in self._stale:
                self._stale.discard(key)
                if not failed:
                    self.wake(key)
            if key not in self._objects:
                self._forget(key)

    async def _do(self, key: Key, value: Object, actions: list[Action]) -> bool:
        writes: list[Create | Patch | Delete] = []
        for action in actions:
            if isinstance(action, Say):
                self._recorder.record(value, action.type, action.reason, action.message)
            elif isinstance(action, Again):
                self.wake(key, action.seconds)
            else:
                writes.append(action)
        if key in self._failures and len(writes) > 1 and not await self._write(key, value, writes.pop(0)):
            return False  # after a failure, try one write before all others
        done = await asyncio.gather(*(self._write(key, value, write) for write in writes))
        return all(done)

    async def _write(self, key: Key, owner: Object, action: Create | Patch | Delete) -> bool:
        try:
            async with self._slots:
                match action:
                    case Create(kind, raw):
                        made = await self._client.create(kind, raw)
                        self._wrote(key, kind, made.key, made)
                        if made.kind == "Pod":
                            self._say(owner, "Normal", "SuccessfulCreate", f"Created pod: {made.name}")
                    case Patch(kind, namespace, name, patch, subresource):
                        answer = await self._client.patch(kind, namespace, name, patch, subresource=subresource)
                        self._wrote(key, kind, answer.key, answer)
                    case Delete(kind, namespace, name, uid):
                        await self._client.delete(kind, namespace, name, uid=uid)
                        self._wrote(key, kind, Key(kind.group, kind.kind, namespace, name), None)
                        if kind.kind == "Pod":
                            self._say(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")
            return True
        except ApiError as error:
            if not isinstance(action, Create) and error.code in (404, 409):
                return True  # gone, or a newer one of that name: the informers will say so
            if isinstance(action, Create):
                self._say(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            log.warning("%s: %s", key, error)
        except OSError as error:
            log.warning("%s: %s", key, error)
        return False

    def _say(self, owner: Object, type_: str, reason: str, message: str) -> None:
        self._recorder.record(owner, type_, reason, message)

    def _wrote(self, key: Key, kind: Kind, name: Key, written: Object | None) -> None:
        if not _shows(self._sources[kind].get(name), written):
            until = asyncio.get_running_loop().time() + _PATIENCE
            self._unseen.setdefault(key, {})[kind, name] = (written, until)


def _shows(seen: Object | None, written: Object | None) -> bool:
    """Does what the informer holds include this write? written None: a deletion."""
    if written is None:
        return seen is None or seen.deleting
    if seen is None:
        return False
    with suppress(ValueError):
        return seen.uid != written.uid or int(seen.resource_version) >= int(written.resource_version)
    return True
