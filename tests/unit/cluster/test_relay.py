"""The relay under many connections at once: none is lost, and every descriptor is given back, once."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from sealane.cluster import host_access, socks
from sealane.cluster.host_access import Mirror, Mirrors, bind
from sealane.cluster.supervisor import Channel
from sealane.dataplane.balancer.proxy import Balancer, BalancerProxy
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube.objects import Key
from sealane.network.services.listeners import Listener

Run = Callable[[Coroutine[Any, Any, None]], None]
BOTH = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


class Here:
    """Stands in for the thread in a namespace: it is this very place."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def alone() -> Channel:
    """Nobody keeps sockets."""
    return Channel(socket.socket(socket.AF_UNIX))


async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.read())[::-1])  # only once the client has ended its side
    writer.close()


async def asked(host: str, port: int, data: bytes, greeting: bytes = b"", expected: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    if greeting:
        writer.write(greeting)
        await reader.readexactly(len(expected))
    writer.write(data)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await writer.wait_closed()
    return answer


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def settled(count: int) -> int:
    """How many descriptors are open when connections of before have had time to go."""
    for _ in range(200):
        if descriptors() <= count:
            break
        await asyncio.sleep(0.02)
    return descriptors()


@BOTH
def test_no_connection_of_a_mirror_is_lost_and_none_stays(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        mirrors = Mirrors("test", cast(NamespaceThread, Here()), tmp_path / "mirrors.json", alone())
        await mirrors.update({Mirror("shop", "web", "127.0.0.1", port)})
        [mirror] = host_access.read(tmp_path / "mirrors.json")
        await asked(mirror.host, mirror.host_port, b"warm")
        before = descriptors()

        async def client(name: int) -> None:
            for turn in range(100):
                data = f"{name} {turn}".encode()
                assert await asked(mirror.host, mirror.host_port, data) == data[::-1]

        await asyncio.gather(*map(client, range(4)))
        assert await settled(before) <= before
        await mirrors.update(set())
        server.close()

    run(scenario())


@BOTH
def test_an_end_before_the_far_side_is_there_is_passed_on(run: Run, tmp_path: Path) -> None:
    class Slow(Here):
        async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
            await asyncio.sleep(0.05)
            return function(*arguments)

    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        mirrors = Mirrors("test", cast(NamespaceThread, Slow()), tmp_path / "mirrors.json", alone())
        await mirrors.update({Mirror("shop", "web", "127.0.0.1", port)})
        [mirror] = host_access.read(tmp_path / "mirrors.json")
        assert await asked(mirror.host, mirror.host_port, b"early") == b"ylrae"
        await mirrors.update(set())
        server.close()

    run(scenario())


@BOTH
def test_a_reset_of_one_side_is_a_reset_of_the_other(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        broken = asyncio.Event()

        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")
            try:
                await reader.read()
            except ConnectionResetError:
                broken.set()
            writer.close()

        server = await asyncio.start_server(listens, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        mirrors = Mirrors("test", cast(NamespaceThread, Here()), tmp_path / "mirrors.json", alone())
        await mirrors.update({Mirror("shop", "web", "127.0.0.1", port)})
        [mirror] = host_access.read(tmp_path / "mirrors.json")
        reader, writer = await asyncio.open_connection(mirror.host, mirror.host_port)
        await reader.readexactly(5)
        before = descriptors()
        writer.get_extra_info("socket").setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER of 0 s: close is a reset
        writer.transport.abort()
        assert await settled(before - 3) <= before - 3  # ours, and both of the mirror; perhaps the server's too
        await mirrors.update(set())
        server.close()

    run(scenario())


@BOTH
def test_no_connection_of_the_socks_proxy_is_lost_and_none_stays(run: Run) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        listening = bind("127.0.0.1", 0)
        host, own = listening.getsockname()
        served = await socks.Proxy(cast(NamespaceThread, Here())).serve(listening)
        hello = bytes([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1]) + port.to_bytes(2, "big")
        reply = bytes([5, 0, 5, 0, 0, 1]) + bytes(6)
        await asked(host, own, b"warm", hello, reply)
        before = descriptors()

        async def client(name: int) -> None:
            for turn in range(50):
                data = f"{name} {turn}".encode()
                assert await asked(host, own, data, hello, reply) == data[::-1]

        await asyncio.gather(*map(client, range(4)))
        assert await settled(before) <= before
        served.close()
        server.close()

    run(scenario())


@BOTH
def test_no_connection_of_a_load_balancer_is_lost_and_none_stays(run: Run) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        with bind("127.0.0.1", 0) as free:
            own = free.getsockname()[1]
        proxy = BalancerProxy(lambda: cast(NamespaceThread, Here()), [["127.0.0.1"]], lambda _service, _name: None)
        listener = Listener(own, server.sockets[0].getsockname()[1])
        served = await proxy._listen(Balancer(Key("", "Service", "shop", "web"), (), ()), "127.0.0.1", listener, None)
        await asked("127.0.0.1", own, b"warm")
        before = descriptors()

        async def client(name: int) -> None:
            for turn in range(50):
                data = f"{name} {turn}".encode()
                assert await asked("127.0.0.1", own, data) == data[::-1]

        await asyncio.gather(*map(client, range(4)))
        assert await settled(before) <= before
        served.close()
        server.close()

    run(scenario())
