"""The whole process: objects come by watch, sockets by hand-over, answers go out at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode

from sealane.dataplane.dns.process import ROLE, serve
from sealane.dataplane.linux.handoff import Giver
from sealane.kube.client.protocol import ObjectList, WatchEvent
from sealane.kube.kinds import SERVICE, Kind
from sealane.kube.objects import Object

NAME = "web.shop.svc.cluster.local"


def service(address: str) -> Object:
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": address},
            "spec": {"clusterIP": address, "ports": [{"port": 80}]},
        }
    )


class WatchedApi:
    """The two verbs an informer uses, over a list that a test changes."""

    def __init__(self, *objects: Object) -> None:
        self.objects = objects
        self.events: asyncio.Queue[WatchEvent] = asyncio.Queue()

    async def list(self, kind: Kind, namespace: str | None = None, **_: Any) -> ObjectList:
        return ObjectList(self.objects if kind == SERVICE else (), "1")

    async def watch(self, kind: Kind, namespace: str | None = None, **_: Any) -> AsyncIterator[Sequence[WatchEvent]]:
        while True:
            yield [await self.events.get()] if kind == SERVICE else await asyncio.Event().wait()  # type: ignore[func-returns-value]


async def ask(address: tuple[str, int]) -> list[str]:
    loop = asyncio.get_running_loop()
    query = dns.message.make_query(NAME, "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(address)
        await loop.sock_sendall(client, query.to_wire())
        response = dns.message.from_wire(await asyncio.wait_for(loop.sock_recv(client, 512), 60))
    return [str(record) for rrset in response.answer for record in rrset]


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def test_names_follow_the_api_and_sockets_the_agent(tmp_path: Path) -> None:
    async def play() -> None:
        path = str(tmp_path / "dns.sock")
        api = WatchedApi(service("10.96.0.20"))
        giver = Giver(path)
        await giver.start()
        first, second = bound(), bound()
        early, late = first.getsockname(), second.getsockname()
        giver.add(ROLE, "pod-1", [first])
        waits = asyncio.create_task(ask(early))  # Asked before anyone serves: the question waits in the socket.
        process = asyncio.create_task(serve(api, path, "none"))  # type: ignore[arg-type]
        assert await waits == ["10.96.0.20"]

        giver.add(ROLE, "pod-2", [second])
        assert await ask(late) == ["10.96.0.20"]
        api.events.put_nowait(WatchEvent("MODIFIED", service("10.96.0.21")))
        await asyncio.sleep(0.01)
        assert await ask(early) == ["10.96.0.21"]

        giver.close()  # The agent restarts and has only one of them now.
        giver = Giver(path)
        await giver.start()
        third = bound()
        giver.add(ROLE, "pod-3", [third])
        assert await ask(third.getsockname()) == ["10.96.0.21"]
        giver.close()
        process.cancel()
        await asyncio.gather(process, return_exceptions=True)

    asyncio.run(play())
