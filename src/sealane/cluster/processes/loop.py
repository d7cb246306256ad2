"""The event loop of a process: until its work ends, or the supervisor ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

from sealane.cluster import memory
from sealane.cluster.supervisor import BEAT_SECONDS, Channel

Work = Coroutine[Any, Any, None]


def serve(work: Work, beating: Channel | None = None) -> None:
    """Runs `work` on uvloop until it ends or SIGTERM comes, which cancels it. Memory comes back after load.

    beating: the supervisor that hears again and again that the loop turns, and starts this process anew when it hangs.
    """
    import uvloop

    if beating is not None:
        beating.beats = True

    async def until_told() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        beside = [asyncio.ensure_future(memory.give_back())]
        if beating is not None:
            beside.append(asyncio.ensure_future(_beat(beating)))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for each in beside:
            each.cancel()

    uvloop.run(until_told())


async def _beat(channel: Channel) -> None:
    while True:
        channel.beat()
        await asyncio.sleep(BEAT_SECONDS)
