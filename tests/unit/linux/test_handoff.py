"""Sockets change hands over a real Unix socket and go on working."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from sealane.dataplane.linux.handoff import Changed, Complete, Giver, Handed, Wishes, Withdrawn, take

Event = Handed | Changed | Withdrawn | Complete


def listener() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


async def next_of(events: AsyncIterator[Event]) -> Event:
    return await asyncio.wait_for(anext(events), 60)


def test_sockets_are_handed_over_and_served(tmp_path: Path) -> None:
    async def play() -> None:
        giver = Giver(str(tmp_path / "sock"))
        await giver.start()
        early = listener()
        address = early.getsockname()
        giver.add("dns", "early", [early], {"port": address[1]})
        giver.add("stand-ins", "other", [listener()])
        events = take(str(tmp_path / "sock"), "dns")
        handed = await next_of(events)
        assert isinstance(handed, Handed)
        assert (handed.id, handed.facts, len(handed.sockets)) == ("early", {"port": address[1]}, 1)
        assert await next_of(events) == Complete(frozenset({"early"}))

        loop = asyncio.get_running_loop()
        with socket.create_connection(address) as client:
            accepted, _ = await loop.sock_accept(handed.sockets[0])
            client.sendall(b"hello")
            assert await loop.sock_recv(accepted, 5) == b"hello"
            accepted.close()

        giver.add("dns", "late", [listener(), listener()])
        late = await next_of(events)
        assert isinstance(late, Handed)
        assert len(late.sockets) == 2
        giver.remove("dns", "early")
        assert await next_of(events) == Withdrawn("early")
        for made in (*handed.sockets, *late.sockets):
            made.close()
        await events.aclose()  # type: ignore[attr-defined]
        giver.close()

    asyncio.run(play())


def test_a_waiting_connection_survives_the_server(tmp_path: Path) -> None:
    async def play() -> None:
        giver = Giver(str(tmp_path / "sock"))
        await giver.start()
        made = listener()
        address = made.getsockname()
        giver.add("stand-ins", "pod", [made])
        first = take(str(tmp_path / "sock"), "stand-ins")
        handed = await next_of(first)
        assert isinstance(handed, Handed)
        handed.sockets[0].close()
        await first.aclose()  # type: ignore[attr-defined]

        with socket.create_connection(address) as client:
            client.sendall(b"still here")
            again = take(str(tmp_path / "sock"), "stand-ins")
            second = await next_of(again)
            assert isinstance(second, Handed)
            loop = asyncio.get_running_loop()
            accepted, _ = await loop.sock_accept(second.sockets[0])
            assert await loop.sock_recv(accepted, 20) == b"still here"
            accepted.close()
            second.sockets[0].close()
            await again.aclose()  # type: ignore[attr-defined]
        giver.close()

    asyncio.run(play())


def test_the_taker_connects_again_when_the_giver_restarts(tmp_path: Path) -> None:
    async def play() -> None:
        path = str(tmp_path / "sock")
        events = take(path, "dns")
        waiting = asyncio.ensure_future(next_of(events))
        await asyncio.sleep(0.02)
        for name in ("one", "two"):
            giver = Giver(path)
            await giver.start()
            giver.add("dns", name, [listener()])
            handed = await waiting
            assert isinstance(handed, Handed)
            assert handed.id == name
            handed.sockets[0].close()
            assert await next_of(events) == Complete(frozenset({name}))
            waiting = asyncio.ensure_future(next_of(events))
            await asyncio.sleep(0)
            giver.close()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(play())


def test_after_a_crash_of_the_giver_nothing_is_complete_until_it_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        giver = Giver(str(tmp_path / "sock"))
        await giver.start(complete=False)
        events = take(str(tmp_path / "sock"), "stand-ins")
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        assert not first.done()  # an empty giver does not say that all has gone
        giver.add("stand-ins", "pod", [listener()], {"a": 1})
        handed = await first
        assert isinstance(handed, Handed)
        giver.change("stand-ins", "pod", {"a": 2})
        assert await next_of(events) == Changed("pod", {"a": 2})
        giver.completed()
        assert await next_of(events) == Complete(frozenset({"pod"}))
        handed.sockets[0].close()
        await events.aclose()  # type: ignore[attr-defined]

        later = take(str(tmp_path / "sock"), "stand-ins")
        again = await next_of(later)
        assert isinstance(again, Handed)
        assert again.facts == {"a": 2}
        assert await next_of(later) == Complete(frozenset({"pod"}))
        again.sockets[0].close()
        await later.aclose()  # type: ignore[attr-defined]
        giver.close()

    asyncio.run(play())


def test_a_server_says_how_long_it_wants_to_go_on_also_to_the_next_giver(tmp_path: Path) -> None:
    async def play() -> None:
        path = str(tmp_path / "sock")
        wishes = Wishes()
        wishes.linger("early", 3.0)  # before anybody listens
        for _ in range(2):
            giver = Giver(path)
            await giver.start()
            giver.add("dns", "early", [listener()])
            events = take(path, "dns", wishes)
            handed = await next_of(events)
            assert isinstance(handed, Handed)
            wishes.linger("early", 5.0)
            for _ in range(500):
                if giver.linger("dns", "early") == 5.0:
                    break
                await asyncio.sleep(0.01)
            assert giver.linger("dns", "early") == 5.0
            assert giver.linger("dns", "other") == 0.0
            giver.remove("dns", "early")
            assert giver.linger("dns", "early") == 0.0
            for made in handed.sockets:
                made.close()
            await events.aclose()  # type: ignore[attr-defined]
            giver.close()

    asyncio.run(play())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_message_that_is_none_ends_its_sender_only(run: Callable[[Awaitable[None]], None], tmp_path: Path) -> None:
    async def play() -> None:
        giver = Giver(str(tmp_path / "sock"))
        await giver.start()
        loop = asyncio.get_running_loop()
        for message in (b"nonsense", b"{}", b"[]", b'{"linger": "a", "seconds": "long"}'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as connection:
                await loop.sock_connect(connection, str(tmp_path / "sock"))
                connection.send(message)
                assert await asyncio.wait_for(loop.sock_recv(connection, 1), 60) == b""
        events = take(str(tmp_path / "sock"), "dns")
        assert await next_of(events) == Complete(frozenset())
        await events.aclose()  # type: ignore[attr-defined]
        giver.close()

    run(play())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_connects_while_no_descriptor_is_free_is_served_later(
    run: Callable[[Awaitable[None]], None], tmp_path: Path
) -> None:
    async def play() -> None:
        giver = Giver(str(tmp_path / "sock"))
        await giver.start()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as connection:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
                connection.connect(str(tmp_path / "sock"))
                await asyncio.sleep(0.01)  # the listener is readable, and nothing can be accepted
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            connection.send(b'{"serve": "dns"}')
            answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 100), 60)
            assert json.loads(answer) == {"complete": True}
        giver.close()

    run(play())
