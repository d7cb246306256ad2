"""A server upstream that was away is asked again once it is back, on both event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import dns.message
import pytest
import uvloop

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.upstream import Unreachable, Upstream, here


class Answering(asyncio.DatagramProtocol):
    """Answers everything with an empty answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(dns.message.make_response(dns.message.from_wire(data)).to_wire(), addr)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_server_that_comes_back_is_heard_again(run: Callable[[Awaitable[None]], None]) -> None:
    async def play() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as place:
            place.bind(("127.0.0.1", 0))
            address = place.getsockname()
        upstream = Upstream([(address, here)], metrics=Metrics())
        packet = dns.message.make_query("api.example.com", "A").to_wire()
        query = wire.parse(packet, wire.Client("127.0.0.1", 1, "udp", len(packet)))
        with pytest.raises(Unreachable):
            await upstream.ask(query)
        server, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answering, local_addr=address)
        answer = dns.message.from_wire(await upstream.ask(query))
        assert str(answer.question[0].name) == "api.example.com."
        server.close()
        upstream.close()

    run(play())
