"""The agent's end of the spawner: a real socket, whose other end goes in each way it can."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from sealane.dataplane.pods.spawner import Launch
from sealane.dataplane.pods.spawning import Spawner, SpawnError


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("unread", [False, True])
def test_the_agent_ends_with_its_spawner(unread: bool, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """unread: the spawner dies with a request in its socket, and the kernel says ECONNRESET in place of the end."""

    async def scenario() -> None:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        spawner = Spawner(ours)
        launch = asyncio.ensure_future(spawner.launch(Launch(id=0, argv=["true"], env={}, net=""), ()))
        await asyncio.sleep(0)
        if not unread:
            theirs.recv(1 << 16)
        theirs.close()
        await asyncio.wait_for(told.wait(), 10)
        with pytest.raises(SpawnError):
            await launch
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        ours.close()

    run(scenario())
