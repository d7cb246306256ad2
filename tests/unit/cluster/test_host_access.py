"""Mirrors: real connections on loopback, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from sealane.cluster import host_access
from sealane.cluster.host_access import Mirror, Mirrors, bind, loopback, wanted
from sealane.cluster.supervisor import Channel
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube.objects import Object


class Here:
    """Stands in for the thread in `outside`: it is this very place."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def alone() -> Channel:
    """Nobody keeps sockets."""
    return Channel(socket.socket(socket.AF_UNIX))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_bytes_pass_both_ways_and_so_does_the_end(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])  # only once the client has ended its side
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(reverse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        mirrors = Mirrors("test", cast(NamespaceThread, Here()), tmp_path / "mirrors.json", alone())
        await mirrors.update({Mirror("shop", "web", "127.0.0.1", port)})
        [mirror] = host_access.read(tmp_path / "mirrors.json")
        assert mirror.host.startswith("127.18.")
        for size in (5, 300_000):
            reader, writer = await asyncio.open_connection(mirror.host, mirror.host_port)
            data = bytes(range(256)) * (size // 256 + 1)
            writer.write(data)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 60) == data[::-1]
            writer.close()
        await mirrors.update(set())
        assert host_access.read(tmp_path / "mirrors.json") == []
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(mirror.host, mirror.host_port)
        server.close()

    run(scenario())


def test_mirrors_open_again_where_they_were_until_they_are_not_wanted(tmp_path: Path) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        wanted_now = Mirror("shop", "web", "127.0.0.1", server.sockets[0].getsockname()[1])
        with bind(loopback("test", "127.0.0.1"), 0) as free:
            before = replace(wanted_now, host=free.getsockname()[0], host_port=free.getsockname()[1])
        path = tmp_path / "mirrors.json"
        path.write_text(json.dumps([asdict(before)]))
        mirrors = Mirrors("test", cast(NamespaceThread, Here()), path, alone())
        await mirrors.restore()
        for _ in range(2):
            reader, writer = await asyncio.open_connection(before.host, before.host_port)
            assert await asyncio.wait_for(reader.read(), 60) == b"here"
            writer.close()
            await mirrors.update({wanted_now})
            assert host_access.read(path) == [before]
        await mirrors.update(set())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(before.host, before.host_port)
        server.close()

    asyncio.run(scenario())


def test_every_tcp_port_of_a_load_balancer_is_wanted() -> None:
    service = Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {
                "type": "LoadBalancer",
                "ports": [{"port": 80}, {"port": 443, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "172.18.255.1"}, {"ip": "fd00:172:18:ff::1"}]}},
        }
    )
    assert wanted([service]) == {
        Mirror("shop", "web", "172.18.255.1", 80),
        Mirror("shop", "web", "172.18.255.1", 443),
    }


def test_node_ports_are_wanted_on_every_node() -> None:
    raw = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"}}
    ports = [{"port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]
    service = Object({**raw, "spec": {"type": "NodePort", "ports": ports}})
    nodes = [f"172.18.1.{number}" for number in range(1, 9)]
    assert wanted([service], nodes) == {Mirror("shop", "web", node, 30080) for node in nodes}
