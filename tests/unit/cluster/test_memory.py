"""What a process made under load is collected and given back once there is no load."""

from __future__ import annotations

import asyncio
import gc
import weakref

from sealane.cluster import memory


class Knot:
    def __init__(self) -> None:
        self.own = self
        self.data = b"x" * (4 << 20)


def collected(still: float, rounds: int) -> bool:
    """Whether garbage is gone within so many rounds."""

    async def play() -> bool:
        giving = asyncio.ensure_future(memory.give_back(0.01, still))
        await asyncio.sleep(0)
        knot = weakref.ref(Knot())
        for _ in range(rounds):
            if knot() is None:
                break
            await asyncio.sleep(0.01)
        giving.cancel()
        return knot() is None

    gc.disable()
    try:
        return asyncio.run(play())
    finally:
        gc.unfreeze()
        gc.enable()
        gc.collect()


def test_garbage_goes_once_there_is_no_load() -> None:
    assert collected(still=2.0, rounds=1000)


def test_nothing_is_looked_for_under_load() -> None:
    assert not collected(still=-1.0, rounds=20)
