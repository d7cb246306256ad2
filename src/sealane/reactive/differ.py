"""The differ: what an applier (nftables, routes, DNS, xDS) has still to do so that the world equals a collection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change, Collection

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

log = logging.getLogger(__name__)

Steps = Mapping[K, tuple[V | None, V | None]]
"""For each key: (what is applied, what is wanted). None: nothing."""


class Differ(Generic[K, V]):
    """Gathers the changes of `collection` until an applier takes them; many changes of one key become one step.

    A value that is back at what was applied before anybody took it is no step at all.
    """

    def __init__(self, collection: Collection[K, V], *, backoff: Backoff = Backoff(longest=5.0)) -> None:  # noqa: B008
        self._collection = collection
        self._backoff = backoff
        self._applied: dict[K, V | None] = {}  # of keys with something to do
        self._unsure: set[K] = set()  # keys whose last step failed: half of it may have been done
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._unsubscribe = collection.subscribe(self._changed)

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._applied)

    def take(self) -> dict[K, tuple[V | None, V | None]]:
        """Every step that waits, in the order of first change. The caller applies them, or hands them to `failed`."""
        waiting, self._applied = self._applied, {}
        unsure, self._unsure = self._unsure, set()
        self._wake.clear()
        steps: dict[K, tuple[V | None, V | None]] = {}
        for key, applied in waiting.items():
            wanted = self._collection.get(key)
            if key in unsure or not (applied is wanted or applied == wanted):
                steps[key] = (applied, wanted)
        return steps

    def failed(self, steps: Steps[K, V]) -> None:
        """Puts steps back that were taken and could not be applied; they come again even if the value went back."""
        for key, (applied, _) in steps.items():
            self._applied[key] = applied
            self._unsure.add(key)
        self._arouse()

    def reset(self) -> None:
        """The world was emptied: everything in the collection is to be applied again, from nothing."""
        self._applied = dict.fromkeys(self._collection)
        self._unsure.clear()
        self._arouse()

    async def run(self, apply: Callable[[dict[K, tuple[V | None, V | None]]], Awaitable[None]]) -> None:
        """Calls `apply` with everything that waits, one call at a time, for ever. A call that raises is tried again."""
        failures = 0
        while True:
            await self._wake.wait()
            steps = self.take()
            try:
                if steps:
                    await apply(steps)
                failures = 0
            except Exception as error:
                failures += 1
                log.warning("%s: could not be applied: %s", self._collection.name, error, exc_info=error)
                self.failed(steps)
                await asyncio.sleep(self._backoff.delay(failures))
            if not self._applied:
                self._settled.set()

    async def settled(self) -> None:
        """Returns when `run` has applied all there is to apply."""
        await self._settled.wait()

    def close(self) -> None:
        """Ends the subscription."""
        self._unsubscribe()

    def _changed(self, changes: Sequence[Change[K, V]]) -> None:
        for change in changes:
            self._applied.setdefault(change.key, change.old)
        self._arouse()

    def _arouse(self) -> None:
        if self._applied:
            self._wake.set()
            self._settled.clear()
