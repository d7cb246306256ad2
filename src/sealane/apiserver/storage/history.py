"""The latest events of the store: enough to tell a watcher what it missed, and to list objects as they were.

The history is kept in memory, bounded by events and by bytes. A client that asks for more is told 410 Expired and lists
anew, as after etcd's compaction: https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.values import Event, Stored

EVENTS = 20_000
BYTES = 64 << 20


class History:
    """The latest events of a store, by their bytes: parsed only when they are read, so deleted objects cost little.

    oldest: every event after this version is here.
    """

    def __init__(self, version: int, events: int = EVENTS, size: int = BYTES) -> None:
        self.oldest = version
        self._most = events
        self._size = size
        self._bytes = 0
        self._events: deque[Event] = deque()

    def extend(self, events: Sequence[Event]) -> None:
        kept = self._events
        for type_, address, stored, before in events:
            event = Event(type_, address, stored.packed(), before.packed() if before is not None else None)
            kept.append(event)
            self._bytes += _size(event)
        while kept and (len(kept) > self._most or self._bytes > self._size):
            self._drop()

    def covers(self, version: int) -> bool:
        """Whether all that happened after `version` is known."""
        return version >= self.oldest

    def compact(self, version: int) -> None:
        """Forgets what happened up to `version`."""
        while self._events and self._events[0].stored.version <= version:
            self._drop()
        self.oldest = max(self.oldest, version)

    def thin(self, version: int, size: int) -> None:
        """Forgets what happened up to `version`, the oldest first, until no more than `size` bytes are kept."""
        while self._bytes > size and self._events and self._events[0].stored.version <= version:
            self._drop()

    def _drop(self) -> None:
        dropped = self._events.popleft()
        self._bytes -= _size(dropped)
        self.oldest = dropped.stored.version

    def since(self, version: int, resource: Resource) -> list[Event]:
        """The events of `resource` after `version`, which has to be covered, in their order."""
        later = takewhile(lambda event: event.stored.version > version, reversed(self._events))
        return [event for event in later if event.address.resource == resource][::-1]

    def undone(self, version: int, resource: Resource) -> dict[Address, Stored | None]:
        """Objects of `resource` that changed after `version`, which has to be covered, and what they were then."""
        found: dict[Address, Stored | None] = {}
        for event in reversed(self._events):
            if event.stored.version <= version:
                break
            if event.address.resource == resource:
                found[event.address] = event.before
        return found


def _size(event: Event) -> int:
    """Bytes that an event holds; what it shares with the one before it is counted for both."""
    return len(event.stored.data) + (len(event.before.data) if event.before is not None else 0)
