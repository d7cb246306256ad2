"""The writer: makes the API agree with a collection of wanted objects.

The one way controllers write objects that follow from others (EndpointSlices, status, load-balancer addresses, the
Deployments of Gateways). The writer compares wanted with actual objects key by key, and writes the difference, if there
is one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change, Collection
from sealane.reactive.merge import combine, difference, nest, part

log = logging.getLogger(__name__)

Wanted = Object | Raw

_BELIEVED = 5.0
"""Seconds for which an answer of the API counts although the informer does not show it."""


class Writer:
    """Writes `wanted` (key -> object, or its JSON) of one kind through `client`; `actual` is what an informer sees.

    fields: the field paths this writer decides about, as "spec", "metadata.labels", "status.loadBalancer", or as tuples
        where names hold dots. Others are left alone, except at creation, when the object is sent as wanted.
    subresource: "status" to write through it. Such a writer never creates or deletes.
    owns: which actual objects are this writer's to patch, and to delete when they are not wanted any more. None: it
        neither creates nor deletes, and patches whatever is wanted. An object under a wanted key that it does not own
        is left alone until it goes.
    whole: whether fields inside `fields` that are not wanted are removed (as for status), or left as defaults set by
        the server or as somebody else's (then only those go that were wanted before).
    on_error: told of each refused write, beside the log. A failed write is tried again with back-off, or when either
    side changes.

    One write at a time for each key, at most `parallel` in all. An object that the API answered counts as actual until
    the informer has caught up, so a slow watch causes no second write.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        wanted: Collection[Key, Object] | Collection[Key, Raw],
        actual: Collection[Key, Object],
        *,
        fields: Iterable[str | tuple[str, ...]] = ("spec", "metadata.labels", "metadata.annotations"),
        subresource: str = "",
        owns: Callable[[Object], bool] | None = None,
        whole: bool = False,
        parallel: int = 16,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
        on_error: Callable[[Key, ApiError | OSError], None] | None = None,
    ) -> None:
        if subresource and owns is not None:
            raise ValueError("a writer of a subresource cannot own objects")
        self.kind = kind
        self.written = 0
        self._client = client
        self._wanted: Collection[Key, Object] | Collection[Key, Raw] = wanted
        self._actual = actual
        self._fields = tuple(field if isinstance(field, tuple) else tuple(field.split(".")) for field in fields)
        self._subresource = subresource
        self._owns = owns
        self._whole = whole
        self._parallel = parallel
        self._backoff = backoff
        self._on_error = on_error
        self._queue: deque[Key] = deque()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._before: dict[Key, Raw] = {}  # the wanted values when last written, where fields were dropped since
        self._answers: dict[Key, Object] = {}  # the API's answer, until the informer has it too
        self._failures: dict[Key, int] = {}
        self._retries: dict[Key, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False
        self._settled = asyncio.Event()
        self._subscriptions: list[Callable[[], None]] = []

    def start(self) -> None:
        """Needs a running event loop, and informers that are synced: what is not wanted now is deleted."""
        if self._running:
            return
        self._running = True
        self._subscriptions = [
            self._wanted.subscribe(self._wanted_changed),
            self._actual.subscribe(self._actual_changed),
        ]
        self._pump()

    async def stop(self) -> None:
        """Lets the writes under way end."""
        self._running = False
        for unsubscribe in self._subscriptions:
            unsubscribe()
        for retry in self._retries.values():
            retry.cancel()
        self._retries.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def settled(self) -> None:
        """Returns when there is nothing left to write (failed writes wait, and count as left)."""
        await self._settled.wait()

    # What happened

    def _wanted_changed(self, changes: Sequence[Change[Key, Object]] | Sequence[Change[Key, Raw]]) -> None:
        for change in changes:
            if change.old is not None and not self._whole:
                self._before.setdefault(change.key, _raw(change.old))
            self._enqueue(change.key)
        self._pump()

    def _actual_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            answer = self._answers.get(change.key)
            if answer is not None and (change.new is None or not _newer(answer, change.new)):
                del self._answers[change.key]
            self._enqueue(change.key)
        self._pump()

    def _enqueue(self, key: Key) -> None:
        retry = self._retries.pop(key, None)
        if retry is not None:
            retry.cancel()
        if key not in self._queued:
            self._queued.add(key)
            self._queue.append(key)

    # What to do

    def _pump(self) -> None:
        """Starts a write for each waiting key that has a difference, as far as `parallel` allows."""
        waiting: list[Key] = []
        while self._running and self._queue and len(self._busy) < self._parallel:
            key = self._queue.popleft()
            if key in self._busy:
                waiting.append(key)
                continue
            self._queued.discard(key)
            step = self._step(key)
            if step is None:
                self._failures.pop(key, None)
                continue
            self._busy.add(key)
            task = asyncio.create_task(self._write(key, step))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._queue.extend(waiting)
        if self._busy or self._queue or self._retries:
            self._settled.clear()
        else:
            self._settled.set()

    def _step(self, key: Key) -> Raw | str | None:
        """The difference that the API lacks at `key`: "create", "delete", a merge patch, or None."""
        value = self._wanted.get(key)
        actual = self._actual.get(key)
        answer = self._answers.get(key)
        if answer is not None and (actual is None or _newer(answer, actual)):
            actual = answer
        if value is None:
            mine = self._owns is not None and actual is not None and not actual.deleting and self._owns(actual)
            self._before.pop(key, None)
            return "delete" if mine else None
        if actual is None:
            return "create" if self._owns is not None else None
        if actual.deleting or not (self._owns is None or self._owns(actual)):
            return None
        wanted, before = _raw(value), self._before.get(key)
        patch: Raw = {}
        for path in self._fields:
            want, was = part(wanted, path), part(before, path)
            if want is None and was is None and not self._whole:
                continue
            there = part(actual.raw, path)
            if want is None and not isinstance(there, Mapping):
                if there:
                    combine(patch, nest(None, path))
                continue
            change = difference({} if there is None else there, {} if want is None else want, was, whole=self._whole)
            if change is not None:
                combine(patch, nest(change, path))
        if not patch:
            self._before.pop(key, None)
            return None
        return patch

    async def _write(self, key: Key, step: Raw | str) -> None:
        try:
            try:
                await self._send(key, step)
                self.written += 1
                self._failures.pop(key, None)
            except (ApiError, OSError) as error:
                self._failed(key, error)
            except Exception as error:
                log.exception("%s: write failed", key)
                self._failed(key, OSError(str(error)))
        finally:
            self._busy.discard(key)
            self._pump()

    async def _send(self, key: Key, step: Raw | str) -> None:
        client, kind = self._client, self.kind
        if step == "create":
            value = self._wanted.get(key)
            if value is not None:
                self._answered(key, await client.create(kind, _raw(value)))
        elif step == "delete":
            actual = self._answers.get(key) or self._actual.get(key)
            uid = actual.uid if actual is not None else ""
            self._answers.pop(key, None)
            try:
                await client.delete(kind, key.namespace, key.name, uid=uid or None)
            except ApiError as error:
                if error.code not in (404, 409):  # gone already, or a new object of that name
                    raise
        else:
            answer = await client.patch(kind, key.namespace, key.name, step, subresource=self._subresource)
            self._answered(key, answer)

    def _answered(self, key: Key, answer: Object) -> None:
        seen = self._actual.get(key)
        if seen is None or _newer(answer, seen):
            self._answers[key] = answer
            # An object made and deleted inside one batch of the watch never shows: do not believe in it for ever.
            asyncio.get_running_loop().call_later(_BELIEVED, self._doubt, key, answer)
        self._enqueue(key)  # the wish may have changed meanwhile; nothing is sent when it has not

    def _doubt(self, key: Key, answer: Object) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]
            self._enqueue(key)
            self._pump()

    def _failed(self, key: Key, error: ApiError | OSError) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        gone = isinstance(error, ApiError) and error.code == 404 and self._actual.get(key) is None
        if gone and self._owns is None:
            return  # deleted meanwhile; nothing to agree with
        if isinstance(error, ApiError) and error.code in (404, 409):
            self._answers.pop(key, None)  # the informer lags; look again soon
        else:
            log.warning("%s: %s", key, error)
            if self._on_error is not None:
                self._on_error(key, error)
        if self._running:
            delay = self._backoff.delay(failures)
            self._retries[key] = asyncio.get_running_loop().call_later(delay, self._retry, key)

    def _retry(self, key: Key) -> None:
        self._enqueue(key)
        self._pump()


def _raw(value: Wanted) -> Raw:
    return value.raw if isinstance(value, Object) else value


def _newer(one: Object, other: Object) -> bool:
    """Is `one` a later state than `other`? resourceVersions of one kind are ordered integers (KEP-5504)."""
    with suppress(ValueError):
        return int(one.resource_version) > int(other.resource_version)
    return False
