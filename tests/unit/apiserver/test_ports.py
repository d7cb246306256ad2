"""port-forward over real connections: each ends, once, and what comes too late for one ends no other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import pytest
import uvloop

from sealane.apiserver.node_agent import Streams
from sealane.apiserver.pods.streams import portforward, ports
from sealane.apiserver.pods.streams.upgrade import Transport
from sealane.kube.objects import Object

Run = Callable[[Coroutine[Any, Any, None]], None]
BOTH = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
POD = Object({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web", "uid": "1"}})


class Here:
    """Stands in for a pod's network: it is this very place."""

    async def connect(self, _namespace: str, _pod: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port)


class Said:
    """A conversation in which each message is an event."""

    def __init__(self) -> None:
        self.heard: dict[int, bytes] = {}
        self.finished: dict[int, str] = {}

    def begin(self) -> Iterator[portforward.Event]:
        return iter(())

    def receive(self, event: portforward.Event) -> Iterator[portforward.Event]:
        return iter((event,))

    def output(self, id_: int, data: bytes) -> bytes:
        self.heard[id_] = self.heard.get(id_, b"") + data
        return data

    def finish(self, id_: int, problem: str) -> list[bytes]:
        self.finished[id_] = problem
        return []

    async def until_finished(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.finished) < count:
                await asyncio.sleep(0.002)


class Line:
    """The client's end of the transport: what it says; None when it goes."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[portforward.Event | None] = asyncio.Queue()

    async def receive(self) -> portforward.Event | None:
        return await self.says.get()

    async def send(self, _data: bytes) -> None:
        await asyncio.sleep(0)


async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.read())[::-1])  # only once the client has ended its side
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


def begin() -> tuple[Line, Said, asyncio.Task[None]]:
    line, said = Line(), Said()
    forwarding = ports._Forwarding(
        cast(Transport, line), cast(portforward.Conversation, said), cast(Streams, Here()), POD
    )
    return line, said, asyncio.create_task(forwarding.run())


@BOTH
def test_no_forwarded_connection_is_lost_and_none_stays(run: Run) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        line, said, running = begin()
        before = len(os.listdir("/proc/self/fd"))
        for id_ in range(200):
            for event in (portforward.Connect(id_, port), portforward.Input(id_, b"%d" % id_, True)):
                line.says.put_nowait(event)
        await said.until_finished(200)
        assert said.heard == {id_: (b"%d" % id_)[::-1] for id_ in range(200)}
        assert set(said.finished.values()) == {""}
        async with asyncio.timeout(60):
            while len(os.listdir("/proc/self/fd")) > before:
                await asyncio.sleep(0.02)
        line.says.put_nowait(None)
        await running
        server.close()

    run(scenario())


@BOTH
def test_what_comes_for_a_connection_that_the_pod_has_closed_ends_no_other(run: Run) -> None:
    async def scenario() -> None:
        servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (hang_up, reverse)]
        gone, alive = (server.sockets[0].getsockname()[1] for server in servers)
        line, said, running = begin()
        line.says.put_nowait(portforward.Connect(0, alive))
        line.says.put_nowait(portforward.Connect(1, gone))
        for _ in range(200):  # while that connection is broken, and after
            line.says.put_nowait(portforward.Input(1, bytes(100_000), False))
        line.says.put_nowait(portforward.Input(1, b"", True))
        line.says.put_nowait(portforward.Input(0, b"said", True))
        await said.until_finished(2)
        assert said.heard[0] == b"dias"
        line.says.put_nowait(None)
        await running
        for server in servers:
            server.close()

    run(scenario())


@BOTH
def test_input_of_a_closed_connection_is_dropped(run: Run) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        connection = ports._Connection()
        _, connection.writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        connection.connected.set()
        connection.writer.close()
        await connection.writer.wait_closed()
        await ports._deliver(connection, b"late", False)
        await ports._deliver(connection, b"", True)
        server.close()

    run(scenario())
