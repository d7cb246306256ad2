"""What the API lets go of by itself: Events after an hour, and what happened more than five minutes ago.

As kube-apiserver does by default: --event-ttl=1h0m0s, counted from an Event's last write, and
--etcd-compaction-interval=5m, each time up to where the time before ended
(k8s.io/apiserver/pkg/storage/etcd3/compact.go). A client that asks for an expired version gets 410 Expired.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from sealane.apiserver.local import LocalClient
from sealane.apiserver.storage.store import Store
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object
from sealane.kube.times import seconds

log = logging.getLogger(__name__)

EVENT_SECONDS = 3600.0
COMPACTION_SECONDS = 300.0
_ROUND_SECONDS = 60.0


class Compaction:
    """Of a store's history. now: seconds of any clock, when it begins."""

    def __init__(self, store: Store, now: float) -> None:
        self._store = store
        self._noted = (now, store.version)

    def advance(self, now: float) -> None:
        then, version = self._noted
        if now - then >= COMPACTION_SECONDS:
            self._store.history.compact(version)
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
    while True:
        await asyncio.sleep(_ROUND_SECONDS)
        try:
            compaction.advance(time.monotonic())
            await expire(client, time.time())
        except Exception:
            log.exception("what is over stays for another round")
