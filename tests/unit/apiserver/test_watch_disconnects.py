"""A watch that is cut off at any byte and taken up again tells everything once: over real TLS connections.

What must be told is worked out from the commits by a plain model of selections; what is told is put together from many
connections, each of which ends somewhere, or is told 410 because the history has been compacted meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.asking import PATH
from tests.unit.apiserver.serving import Server, serving

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError

Told = tuple[str, str, str]
"""Type, name and resourceVersion of an event."""

CHANGE = st.tuples(st.sampled_from("abcde"), st.sampled_from(["create", "update", "relabel", "delete"]))
CUTS = st.lists(st.integers(1, 1500), min_size=1, max_size=8)


class Follower:
    """A client that comes back after every cut, at the last version it has heard of."""

    def __init__(self, server: Server, version: int, query: dict[str, str]) -> None:
        self._server = server
        self._query = query
        self.version = version
        self.told: list[Told] = []
        self.gone = False

    async def connect_once(self, cut: int | None) -> None:
        """Reads until `cut` bytes of the body have come (None: until the server has no more to tell)."""
        query = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": str(self.version), **self._query}
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._server.port, ssl=self._server.access.ssl_context(), server_hostname="localhost"
        )
        body = b""
        try:
            head = f"GET {PATH}?{urlencode(query)} HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(f"{head}Authorization: {self._server.access.authorization()}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            while cut is None or len(body) < cut:
                size = int(await asyncio.wait_for(reader.readuntil(b"\r\n"), 0.05), 16)
                body += (await reader.readexactly(size + 2))[:-2]
                if size == 0:
                    break
        except (TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
        for line in body[:cut].split(b"\n")[:-1]:
            self._hear(json.loads(line))

    def _hear(self, event: Any) -> None:
        if event["type"] == "ERROR":
            assert event["object"]["code"] == 410, event
            self.gone = True
            return
        metadata = event["object"]["metadata"]
        version = int(metadata["resourceVersion"])
        assert version >= self.version
        if event["type"] != "BOOKMARK":
            assert version > self.version, "told twice"
            self.told.append((event["type"], metadata["name"], metadata["resourceVersion"]))
        self.version = version


def expected(events: Sequence[Event], labels: dict[str, str]) -> list[Told]:
    def selected(raw: Any) -> bool:
        found = (raw["metadata"].get("labels") or {}) if raw else {}
        return raw is not None and all(found.get(key) == value for key, value in labels.items())

    told: list[Told] = []
    for event in events:
        if event.address.resource != ("", "configmaps"):
            continue
        was = selected(event.before.object.raw if event.before else None)
        now = event.type != "DELETED" and selected(event.stored.object.raw)
        if was or now:
            kind = "MODIFIED" if was and now else "ADDED" if now else "DELETED"
            told.append((kind, event.address.name, str(event.stored.version)))
    return told


async def write(client: LocalClient, changes: Sequence[tuple[str, str]]) -> None:
    for number, (name, what) in enumerate(changes):
        with contextlib.suppress(ApiError):
            if what == "create":
                labels = {"side": "ab"[number % 2]}
                metadata = {"name": name, "namespace": "default", "labels": labels}
                await client.create(kinds.CONFIGMAP, {"metadata": metadata})
            elif what == "update":
                await client.patch(kinds.CONFIGMAP, "default", name, {"data": {"n": str(number)}})
            elif what == "relabel":
                patch = {"metadata": {"labels": {"side": "ba"[number % 2]}}}
                await client.patch(kinds.CONFIGMAP, "default", name, patch)
            else:
                await client.delete(kinds.CONFIGMAP, "default", name)
        if number % 3 == 0:
            await asyncio.sleep(0.001)


@settings(max_examples=10, deadline=None)
@given(st.lists(CHANGE, min_size=5, max_size=60), CUTS, st.booleans(), st.integers(0, 60))
def test_cuts_lose_and_repeat_nothing(
    changes: list[tuple[str, str]], cuts: list[int], selects: bool, compacted: int
) -> None:
    async def inside(folder: Path) -> None:
        api = start_api(Store.open(folder / "store.db"))
        client = LocalClient(api)
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        start = api.store.version
        happened: list[Event] = []
        api.store.subscribe(happened.extend)
        labels = {"side": "a"} if selects else {}
        query = {"labelSelector": "side=a"} if selects else {}
        async with serving(api) as server:
            follower = Follower(server, start, query)
            writing = asyncio.ensure_future(write(client, changes))
            for cut in cuts:
                await follower.connect_once(cut)
            await writing
            if compacted > 50:
                api.store.history.compact(api.store.version)
            every = expected(happened, labels)
            for _ in range(100):  # a slow machine may end a connection before all is told
                await follower.connect_once(None)
                if follower.gone or len(follower.told) >= len(every):
                    break
        assert follower.told == every[: len(follower.told)]
        if follower.gone:  # it would list now: what it has heard is what there was at its version
            assert [each for each in every if int(each[2]) <= follower.version] == follower.told
        else:
            assert follower.told == every
        api.store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(asyncio.wait_for(inside(Path(folder)), 60))
