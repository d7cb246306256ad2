"""The recorder: Events about objects, for `kubectl describe` and `kubectl get events`.

The one way every room says what happened to an object. The recorder repeats nothing: the same words about the same
object raise a count, many similar ones are combined, and a source with too many Events about one object is held back,
all by the numbers of client-go's event correlator (https://pkg.go.dev/k8s.io/client-go/tools/record#EventCorrelator).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp
from sealane.reactive.backoff import Backoff

log = logging.getLogger(__name__)

SIMILAR = 10
"""From so many Events of one reason about one object on, they are combined into one."""
FORGET = 600.0
"""Seconds after which the same words make a new Event."""
BURST = 25
"""How many Events about one object are written at once; after that one each `REFILL` seconds."""
REFILL = 300.0
REMEMBERED = 4096
MOST_WAITING = 5000
TRIES = 12
LONGEST_MESSAGE = 1024


class _Kept(msgspec.Struct):
    """An Event that may be said again. written: how often, as the API knows it; None while it is not there at all.

    queued: it waits to be written, or is being written: one write of an Event at a time. again: it was said meanwhile.
    """

    raw: Raw
    count: int
    last: float
    written: int | None = None
    queued: bool = False
    again: bool = False


class _Similar(msgspec.Struct):
    last: float
    messages: set[str] = msgspec.field(default_factory=set)


class _Allowance(msgspec.Struct):
    """The Events that may still be written about an object (a token bucket)."""

    tokens: float
    last: float


class Recorder:
    """Writes Events in the background, at most `parallel` at a time. component: its `source.component`."""

    def __init__(
        self, client: Client, component: str, *, parallel: int = 8, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._component = component
        self._parallel = parallel
        self._clock = clock
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._allowances: OrderedDict[tuple[str, ...], _Allowance] = OrderedDict()
        self._queue: deque[_Kept] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0

    def moment(self) -> int:
        """A moment for `record`: nanoseconds since 1970, later than any before."""
        self._serial = max(self._serial + 1, int(self._clock() * 1e9))
        return self._serial

    def record(
        self,
        about: Object,
        type_: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
        host: str = "",
        moment: int | None = None,
    ) -> None:
        """Says `message` about an object. Returns at once and never fails; needs a running event loop.

        type_: "Normal" or "Warning". field_path: the part of the object that is meant, as "spec.containers{web}".
        host: the node that speaks, for what a kubelet says. moment: when it happened, if not just now: what others do
        upon a write may be told before the writer hears that it succeeded.
        """
        now = self._clock() if moment is None else moment / 1e9
        moment = self.moment() if moment is None else moment
        subject = (about.kind, about.namespace, about.name, about.uid, host)
        group = (*subject, type_, reason, field_path)
        similar = self._similar.get(group)
        if similar is None or now - similar.last > FORGET:
            similar = self._similar[group] = _Similar(now)
        similar.last = now
        self._similar.move_to_end(group)
        key: tuple[str, ...] = (*group, message)
        if len(similar.messages) < SIMILAR:
            similar.messages.add(message)
        if len(similar.messages) >= SIMILAR and key not in self._kept:
            key = group
            message = f"(combined from similar events): {message}"
        kept = self._kept.get(key)
        if kept is None or now - kept.last > FORGET:
            raw = self._event(about, type_, reason, field_path, host, moment)
            kept = self._kept[key] = _Kept(raw, 0, now)
        kept.count += 1
        kept.last = now
        kept.raw["message"] = message[:LONGEST_MESSAGE]
        self._kept.move_to_end(key)
        if self._allowed(subject, now):
            self._enqueue(kept)
        memories: tuple[OrderedDict[tuple[str, ...], Any], ...] = (self._kept, self._similar, self._allowances)
        for memory in memories:
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)

    async def flush(self) -> None:
        """Returns when everything said so far is written."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """Gives up what is not written."""
        self._queue.clear()
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _allowed(self, subject: tuple[str, ...], now: float) -> bool:
        allowance = self._allowances.setdefault(subject, _Allowance(BURST, now))
        self._allowances.move_to_end(subject)
        allowance.tokens = min(BURST, allowance.tokens + (now - allowance.last) / REFILL)
        allowance.last = now
        if allowance.tokens < 1:
            return False
        allowance.tokens -= 1
        return True

    def _enqueue(self, kept: _Kept) -> None:
        if kept.queued:
            kept.again = True
            return
        if len(self._queue) >= MOST_WAITING:
            log.warning("event dropped: %s %s", kept.raw["involvedObject"], kept.raw["message"])
            return
        kept.queued = True
        self._queue.append(kept)
        if len(self._tasks) < self._parallel:
            task = asyncio.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        backoff = Backoff(first=0.1, longest=10.0)
        while self._queue:
            kept = self._queue.popleft()
            due = kept.count
            for failures in range(1, TRIES + 1):
                try:
                    await self._write(kept, due)
                    break
                except ApiError as error:
                    log.debug("event not written: %s", error)  # most often its namespace is going
                    break
                except OSError as error:
                    log.debug("event not written: %s", error)
                    await asyncio.sleep(backoff.delay(failures))
            kept.queued = False
            if kept.again:
                kept.again = False
                self._enqueue(kept)

    async def _write(self, kept: _Kept, count: int) -> None:
        namespace, name = kept.raw["metadata"]["namespace"], kept.raw["metadata"]["name"]
        if kept.written is None:
            await self._client.create(EVENT, {**kept.raw, "count": count, "lastTimestamp": timestamp(kept.last)})
            kept.written = count
        elif count > kept.written:
            patch = {"count": count, "lastTimestamp": timestamp(kept.last), "message": kept.raw["message"]}
            try:
                await self._client.patch(EVENT, namespace, name, patch)
                kept.written = count
            except ApiError as error:
                if error.code != 404:
                    raise
                kept.written = None
                await self._write(kept, count)

    def _event(self, about: Object, type_: str, reason: str, field_path: str, host: str, moment: int) -> Raw:
        involved: Raw = {
            "kind": about.kind,
            "name": about.name,
            "uid": about.uid,
            "apiVersion": about.raw.get("apiVersion", ""),
            "resourceVersion": about.resource_version,
        }
        if about.namespace:
            involved["namespace"] = about.namespace
        if field_path:
            involved["fieldPath"] = field_path
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": f"{about.name[:230]}.{moment:x}",  # as in client-go: the names of its Events sort by time
                "namespace": about.namespace or "default",
            },
            "involvedObject": involved,
            "reason": reason,
            "message": "",
            "source": {"component": self._component, **({"host": host} if host else {})},
            "firstTimestamp": timestamp(moment / 1e9),
            "lastTimestamp": timestamp(moment / 1e9),
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": host,
        }
