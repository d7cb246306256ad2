"""Informers: list and watch a kind into a `Source`, whatever happens to the connection.

The protocol is that of https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from sealane.kube.client.protocol import ApiError, Client, WatchEvent
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Graph, Source

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


class Informers(Mapping[Kind, Source[Key, Object]]):
    """One source for each kind, and the informers that fill them."""

    def __init__(self, client: Client, graph: Graph, kinds: Iterable[Kind]) -> None:
        self._informers = {
            kind: Informer(client, kind, Source[Key, Object](graph, kind.plural)) for kind in dict.fromkeys(kinds)
        }

    def __getitem__(self, kind: Kind) -> Source[Key, Object]:
        return self._informers[kind].source

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._informers)

    def __len__(self) -> int:
        return len(self._informers)

    def start(self) -> None:
        """Needs a running event loop."""
        for informer in self._informers.values():
            informer.start()

    async def synced(self) -> None:
        """Returns when every source holds a first complete list."""
        for informer in self._informers.values():
            await informer.synced()

    async def stop(self) -> None:
        await asyncio.gather(*(informer.stop() for informer in self._informers.values()))


def inform(client: Client, graph: Graph, kinds: Iterable[Kind]) -> Informers:
    """Sources of all `kinds` of the cluster behind `client`, made now; filled once `start()` is called."""
    return Informers(client, graph, kinds)
