"""Rates from readings of `usage`: the present usage of each container, for the metrics API."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping

from sealane.dataplane.pods.usage import Used, process, used

SHORTEST, LONGEST = 0.5, 60.0
"""Seconds between two readings that make a rate."""

Readings = tuple[float, Mapping[str, Used]]
AGENT = ""
"""Whose readings are the agent's own."""


class Meter:
    """pids(): the first process of each container that runs one, by the container's id."""

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids
        self._last: Readings | None = None
        self._lock = asyncio.Lock()

    async def rates(self) -> tuple[float, dict[str, Used]]:
        """(window in seconds, container → Used with `cpu` in processors); the agent's own under AGENT.

        The first to ask waits for a second reading; later ones get the rate since the one before.
        """
        async with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] > LONGEST:
                self._last = await self._read()
            if (wait := SHORTEST - (time.monotonic() - self._last[0])) > 0:
                await asyncio.sleep(wait)
            (since, before), (at, after) = self._last, await self._read()
            self._last = (at, after)
        window = at - since
        return window, {
            container: Used(max(0.0, new.cpu - before.get(container, new).cpu) / window, new.memory)
            for container, new in after.items()
        }

    async def _read(self) -> Readings:
        pids = self._pids()
        found = await asyncio.to_thread(lambda: {**used(pids), AGENT: process(os.getpid())})
        return time.monotonic(), found
