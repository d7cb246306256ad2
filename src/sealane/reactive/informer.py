"""Informers: list and watch a kind into a `Source`, whatever happens to the connection.

The protocol is that of https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from sealane.kube.client.protocol import ApiError, Client, WatchEvent
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Graph, Source
from sealane.reactive.objects import Objects

log = logging.getLogger(__name__)


class Informer:
    """Keeps `source` equal to what the API holds of `kind`, in one namespace or all, selected by `labels` and `fields`.

    A lost connection is taken up again after the last seen resourceVersion; when that is too old (410 Gone), everything
    is listed anew. A kind that the server does not know (404) counts as synced and empty, and is asked for again.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        source: Source[Key, Object],
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        backoff: Backoff = Backoff(longest=5.0),  # noqa: B008 - frozen
    ) -> None:
        self.kind = kind
        self.source = source
        self._client = client
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._backoff = backoff
        self._failures = 0
        self._version = ""
        self._synced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Needs a running event loop. Starting twice is starting once."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"informer {self.kind.plural}")

    async def stop(self) -> None:
        """The source keeps what it holds."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def is_synced(self) -> bool:
        """Whether the source holds a first complete list."""
        return self._synced.is_set()

    async def synced(self) -> None:
        """Returns when the source holds a first complete list."""
        await self._synced.wait()

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            started = now()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.code == 410:
                    self._version = ""
                elif error.code == 404:
                    self.source.replace({})
                    self._synced.set()
                    self._version = ""
                else:
                    log.warning("%s: %s", self.kind.plural, error)
                    if error.code != 429 and error.code < 500:  # a server in trouble is not listed anew as well
                        self._version = ""
            except OSError as error:
                log.debug("%s: connection lost: %s", self.kind.plural, error)
            except Exception:
                log.exception("%s: list and watch failed", self.kind.plural)
                self._version = ""
            else:
                continue  # the server ended the watch, as it may at any time
            if now() - started > self._backoff.longest:
                self._failures = 0
            self._failures += 1
            await asyncio.sleep(self._backoff.delay(self._failures))

    async def _list(self) -> None:
        found = await self._client.list(self.kind, self._namespace, labels=self._labels, fields=self._fields)
        self.source.replace({item.key: item for item in found.items})
        self._version = found.resource_version
        self._synced.set()

    async def _watch(self) -> None:
        started = asyncio.get_running_loop().time()
        stream = self._client.watch(
            self.kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
            fields=self._fields,
        )
        async for events in stream:
            self._failures = 0
            self._apply(events)
        if asyncio.get_running_loop().time() - started < 0.01:
            await asyncio.sleep(self._backoff.first)  # a watch that ends at once must not become a busy loop

    def _apply(self, events: Sequence[WatchEvent]) -> None:
        with self.source.graph.batch():
            for event in events:
                match event.type:
                    case "ADDED" | "MODIFIED":
                        self.source.set(event.object.key, event.object)
                    case "DELETED":
                        self.source.remove(event.object.key)
                    case "BOOKMARK":
                        pass
        if events:
            self._version = events[-1].object.resource_version or self._version


class Informers(Objects):
    """The objects of a running cluster: each kind that is asked for has an informer, which fills its source."""

    def __init__(self, client: Client, graph: Graph, kinds: Iterable[Kind] = ()) -> None:
        super().__init__(graph)
        self._client = client
        self._informers: dict[Kind, Informer] = {}
        self._started = False
        for kind in kinds:
            self[kind]

    def _begin(self, kind: Kind, source: Source[Key, Object]) -> None:
        self._informers[kind] = Informer(self._client, kind, source)
        if self._started:
            self._informers[kind].start()

    def start(self) -> None:
        """Needs a running event loop. Kinds asked for later are followed from then on."""
        self._started = True
        for informer in self._informers.values():
            informer.start()

    def is_synced(self, kind: Kind) -> bool:
        """Whether the source of a kind that was asked for holds a first complete list."""
        return kind in self._informers and self._informers[kind].is_synced

    async def synced(self) -> None:
        """Returns when the source of every kind asked for so far holds a first complete list.

        The first lists travel as one batch, so what is derived from several kinds is computed once; those of kinds that
        are asked for because of them, as the next.
        """
        while self._waiting():
            with self.graph.batch():
                while waiting := self._waiting():
                    for informer in waiting:
                        await informer.synced()

    def _waiting(self) -> list[Informer]:
        return [informer for informer in self._informers.values() if not informer.is_synced]

    async def stop(self) -> None:
        await asyncio.gather(*(informer.stop() for informer in self._informers.values()))


def inform(client: Client, graph: Graph, kinds: Iterable[Kind] = ()) -> Informers:
    """The objects of the cluster behind `client`, followed once `start()` is called. kinds: asked for at once."""
    return Informers(client, graph, kinds)
