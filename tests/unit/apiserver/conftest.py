from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds


class Cluster:
    """An API on a database of its own; `fresh()` inside the test's event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stores: list[Store] = []

    def open(self) -> Api:
        store = Store.open(self.path)
        self.stores.append(store)
        return start_api(store)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[LocalClient]:
        api = self.open()
        client = LocalClient(api)
        if api.store.version == 0:
            await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        yield client
        api.store.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "store.db")
    yield made
    for store in made.stores:
        store.close()
