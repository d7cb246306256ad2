"""Events: what happened to an object, for `kubectl describe` and `kubectl get events`.

The recorder repeats nothing: the same words about the same object raise a count, and many similar ones are combined,
as client-go's event correlator does (https://pkg.go.dev/k8s.io/client-go/tools/record#EventCorrelator).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field

from sealane.kube.client import ApiError, Client
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

log = logging.getLogger(__name__)

SIMILAR = 10
"""How many Events of one reason about one object are kept apart."""
FORGET = 600.0
"""Seconds after which the same words make a new Event."""
REMEMBERED = 4096


@dataclass(slots=True)
class _Kept:
    """An Event that may be said again. written: how often, as the API knows it; None while it is not there at all."""

    raw: Raw
    count: int
    last: float
    written: int | None = None
    queued: bool = False


@dataclass(slots=True)
class _Similar:
    last: float
    messages: set[str] = field(default_factory=set)


class Recorder:
    """Writes Events in the background, at most `parallel` at a time. component: who speaks (`source.component`)."""

    def __init__(self, client: Client, component: str, *, parallel: int = 8) -> None:
        self._client = client
        self._component = component
        self._parallel = parallel
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._queue: deque[_Kept] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = 0

    def record(self, about: Object, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Says `message` about an object. type_: "Normal" or "Warning". Returns at once; needs a running event loop."""
        now = time.time()
        group = (about.kind, about.namespace, about.name, about.uid, type_, reason)
        similar = self._similar.get(group)
        if similar is None or now - similar.last > FORGET:
            similar = self._similar[group] = _Similar(now)
        similar.last = now
        self._similar.move_to_end(group)
        similar.messages.add(message)
        key: tuple[str, ...] = (*group, message)
        if len(similar.messages) > SIMILAR and key not in self._kept:
            key = group
            message = f"(combined from similar events): {message}"
        kept = self._kept.get(key)
        if kept is None or now - kept.last > FORGET:
            kept = self._kept[key] = _Kept(self._event(about, type_, reason, message, field_path, now), 0, now)
        kept.count += 1
        kept.last = now
        kept.raw["message"] = message
        self._kept.move_to_end(key)
        for memory in (self._kept, self._similar):
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)
        if not kept.queued:
            kept.queued = True
            self._queue.append(kept)
            if len(self._tasks) < self._parallel:
                task = asyncio.create_task(self._drain())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

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

    async def _drain(self) -> None:
        while self._queue:
            kept = self._queue.popleft()
            kept.queued = False
            try:
                await self._write(kept)
            except (ApiError, OSError) as error:
                log.debug("event not written: %s", error)  # as from any kubelet: best effort

    async def _write(self, kept: _Kept) -> None:
        count = kept.count
        namespace, name = kept.raw["metadata"]["namespace"], kept.raw["metadata"]["name"]
        if kept.written is None:
            kept.written = count
            await self._client.create(EVENT, {**kept.raw, "count": count, "lastTimestamp": timestamp(kept.last)})
        elif count > kept.written:
            kept.written = count
            patch = {"count": count, "lastTimestamp": timestamp(kept.last), "message": kept.raw["message"]}
            try:
                await self._client.patch(EVENT, namespace, name, patch)
            except ApiError as error:
                if error.code != 404:
                    raise
                kept.written = None
                await self._write(kept)

    def _event(self, about: Object, type_: str, reason: str, message: str, field_path: str, now: float) -> Raw:
        self._serial = max(self._serial + 1, time.time_ns())  # as in client-go: the names of its Events sort by time
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
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about.name[:230]}.{self._serial:x}",
                "namespace": about.namespace or "default",
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": {"component": self._component},
            "firstTimestamp": timestamp(now),
            "lastTimestamp": timestamp(now),
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
