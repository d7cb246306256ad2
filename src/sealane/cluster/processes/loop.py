"""The event loop of a process: until its work ends, or the supervisor ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

Work = Coroutine[Any, Any, None]


def serve(work: Work) -> None:
    """Runs `work` on uvloop until it ends or SIGTERM comes, which cancels it."""
    import uvloop

    async def until_told() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    uvloop.run(until_told())
