"""The worklist of a follower: its due items, worked off in one task of the event loop that commits.

An item may be added again while it is worked on, and is looked at again then. An item whose work the store fails
stays due and is tried again after a while; nothing that was due is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

from sealane.apiserver.storage.backends import StorageError
from sealane.kube.client.protocol import ApiError

Item = TypeVar("Item", bound=Hashable)

RETRY_SECONDS = 1.0
"""After which items are tried again that the store failed."""
_BY_OTHERS = frozenset({404, 409})  # gone, or changed meanwhile: the commit of that is an event of its own


class Worklist(Generic[Item]):
    """Items in the order in which they became due. name: of its task and its log.

    work(item) may raise ApiError and StorageError. together: all items that are due are worked on at once, not one
    after another.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Item], Awaitable[None]],
        *,
        together: bool = False,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._name = name
        self._work = work
        self._together = together
        self._retry_seconds = retry_seconds
        self._due: dict[Item, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._log = logging.getLogger(f"sealane.followers.{name.replace(' ', '-')}")

    def add(self, items: Iterable[Item]) -> None:
        """Makes items due, and wakes the worklist."""
        self._due.update(dict.fromkeys(items))
        self.wake()

    def wake(self) -> None:
        """Starts to work on what is due; outside an event loop, the first commit does."""
        if self._due and self._task is None:
            with suppress(RuntimeError):
                self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def _run(self) -> None:
        try:
            while self._due:
                batch = list(self._due)
                self._due.clear()
                if self._together:
                    done = await asyncio.gather(*map(self._attempt, batch))
                else:
                    done = [await self._attempt(item) for item in batch]
                failed = [item for item, was_done in zip(batch, done, strict=True) if not was_done]
                if failed:
                    asyncio.get_running_loop().call_later(self._retry_seconds, self.add, failed)
        finally:
            self._task = None

    async def _attempt(self, item: Item) -> bool:
        """Whether the item is done with; False when the store failed."""
        try:
            await self._work(item)
        except ApiError as error:
            level = logging.DEBUG if error.code in _BY_OTHERS else logging.WARNING
            self._log.log(level, "%s: %s", item, error)
        except StorageError as error:
            self._log.warning("%s: %s", item, error)
            return False
        except Exception:
            self._log.exception("%s", item)
        return True
