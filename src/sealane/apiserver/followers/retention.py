"""What the API lets go of by itself: Events after an hour, and what happened more than five minutes ago.

As kube-apiserver does by default: --event-ttl=1h0m0s, counted from an Event's last write, and
--etcd-compaction-interval=5m, each time up to where the time before ended
(k8s.io/apiserver/pkg/storage/etcd3/compact.go). Of many events only 2 MB stay longer than half a minute, so that
memory comes back after load. A client that asks for an expired version gets 410 Expired.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from itertools import count

from sealane.apiserver.local import LocalClient
from sealane.apiserver.storage.store import Store
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object
from sealane.kube.times import seconds

log = logging.getLogger(__name__)

EVENT_SECONDS = 3600.0
COMPACTION_SECONDS = 300.0
FRESH_SECONDS = 30.0
KEPT_BYTES = 2 << 20
"""Of events that are not fresh any more."""
_ROUND_SECONDS = 15.0
_EXPIRY_ROUNDS = 4


class Compaction:
    """Of a store's history. now: seconds of any clock, when it begins."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self._noted = (now, store.version)
        self._rounds = deque([self._noted])

    def advance(self, now: float) -> None:
        """Forgets what is over."""
        history, rounds = self._store.history, self._rounds
        rounds.append((now, self._store.version))
        while now - rounds[0][0] >= FRESH_SECONDS:
            history.thin(rounds.popleft()[1], KEPT_BYTES)
        then, version = self._noted
        if now - then >= COMPACTION_SECONDS:
            history.compact(version)
            self._noted = (now, self._store.version)


def is_over(event: Object, now: float) -> bool:
    """Whether an Event was written for the last time longer ago than Events are kept. now: seconds since the epoch."""
    raw = event.raw
    series = raw.get("series") or {}
    written = (series.get("lastObservedTime"), raw.get("lastTimestamp"), raw.get("eventTime"))
    known = [*written, event.metadata.get("creationTimestamp")]
    return now - max(seconds(text) for text in known) > EVENT_SECONDS


async def expire(client: LocalClient, now: float) -> None:
    """Deletes the Events that are over."""
    for event in (await client.list(EVENT)).items:
        if is_over(event, now):
            with contextlib.suppress(ApiError):  # another client has deleted it
                await client.delete(EVENT, event.namespace, event.name)


async def run(store: Store, client: LocalClient) -> None:
    """Until cancelled."""
    compaction = Compaction(store, time.monotonic())
    for number in count(1):
        await asyncio.sleep(_ROUND_SECONDS)
        try:
            compaction.advance(time.monotonic())
            if number % _EXPIRY_ROUNDS == 0:
                await expire(client, time.time())
            await store.tidy()
        except Exception:
            log.exception("what is over stays for another round")
