"""The real API in process, with a client that can be told to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.kube.client.protocol import ApiError, WatchEvent
from sealane.kube.kinds import NAMESPACE, Kind
from sealane.kube.objects import Object, Raw


class Unreliable(LocalClient):
    """The real client, until `failing` names a verb: then that verb fails so many times with that error.

    calls: every write that was tried, as "verb name". cut: ends all watches as a lost connection does.
    """

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.api = api
        self.failing: dict[str, tuple[int, Exception]] = {}
        self.calls: list[str] = []
        self.watches = 0
        self.lists = 0
        self._epoch = 0

    def cut(self) -> None:
        self._epoch += 1

    async def prepare(self) -> None:
        await super().create(NAMESPACE, {"metadata": {"name": "default"}})

    def _check(self, verb: str) -> None:
        count, error = self.failing.get(verb, (0, None))
        if count and error:
            self.failing[verb] = (count - 1, error)
            raise error

    async def list(self, kind: Kind, namespace: str | None = None, **options: Any) -> Any:
        self.lists += 1
        self._check("list")
        return await super().list(kind, namespace, **options)

    async def watch(
        self, kind: Kind, namespace: str | None = None, **options: Any
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        self.watches += 1
        self._check("watch")
        epoch = self._epoch
        stream = super().watch(kind, namespace, **options)
        try:
            async for events in stream:
                if epoch != self._epoch:
                    raise ConnectionResetError("cut")
                yield events
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def create(self, kind: Kind, raw: Raw) -> Object:
        self.calls.append(f"create {raw['metadata']['name']}")
        self._check("create")
        return await super().create(kind, raw)

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, **options: Any) -> Object:
        self.calls.append(f"patch {name}")
        self._check("patch")
        return await super().patch(kind, namespace, name, patch, **options)

    async def delete(self, kind: Kind, namespace: str, name: str, **options: Any) -> None:
        self.calls.append(f"delete {name}")
        self._check("delete")
        await super().delete(kind, namespace, name, **options)


GONE = ApiError(410, "Expired", "too old resource version")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store.db")
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Unreliable:
    return Unreliable(start_api(store))
