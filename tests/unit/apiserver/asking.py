"""A real server and a plain HTTP client of it, for tests of what goes over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from tests.unit.apiserver.conftest import Cluster
from tests.unit.apiserver.serving import serving

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import furnish
from sealane.kube import kinds
from sealane.kube.objects import Raw

PATH = "/api/v1/namespaces/default/configmaps"


class Asker:
    """Asks for JSON by being called; `session` asks for anything else."""

    def __init__(self, api: Api, session: aiohttp.ClientSession) -> None:
        self.api = api
        self.client = LocalClient(api)
        self.session = session

    async def __call__(
        self, path: str = PATH, method: str = "GET", body: Any = None, media: str = "application/json", **query: str
    ) -> Any:
        """The JSON of an answer, with its code as "http" and its warnings as "warnings"."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": media} if data is not None else {}
        async with self.session.request(method, path, params=query, data=data, headers=headers) as response:
            warnings = {"warnings": response.headers.getall("Warning")} if "Warning" in response.headers else {}
            return {**json.loads(await response.read()), "http": response.status, **warnings}

    async def events(self, count: int, path: str = PATH, **query: str) -> list[Any]:
        """The first `count` events of a watch, or as many as there are before it ends."""
        found: list[Any] = []
        async with self.session.get(path, params={"watch": "1", **query}) as response:
            assert response.status == 200
            async for line in response.content:
                found.append(json.loads(line))
                if len(found) == count:
                    break
        return found

    async def make(self, *names: str) -> None:
        for name in names:
            await self.client.create(kinds.CONFIGMAP, configmap(name))


def configmap(name: str, **data: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        **({"data": data} if data else {}),
    }


def run(cluster: Cluster, test: Callable[[Asker], Awaitable[None]]) -> None:
    async def inside() -> None:
        api = cluster.open()
        furnish(api)
        await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        async with serving(api) as server:
            headers = {"Authorization": server.access.authorization()}
            connector = aiohttp.TCPConnector(ssl=server.access.ssl_context() or True)
            async with aiohttp.ClientSession(server.access.server, headers=headers, connector=connector) as session:
                await asyncio.wait_for(test(Asker(api, session)), 30)

    asyncio.run(inside())


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]
