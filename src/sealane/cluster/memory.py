"""The memory of a process that goes on for days: used again while there is work, given back when there is none.

Sources: mallopt(3), malloc_trim(3), https://docs.python.org/3/library/gc.html
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from pathlib import Path

ROUND_SECONDS = 10.0
STILL = 0.2
"""Of a core."""
_GROWN_PAGES = 256
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE = 32 << 20  # as large as malloc lets it be

_libc = ctypes.CDLL(None)


def settle() -> None:
    """This process has started: what is there stays, and what is made from now on may be garbage.

    The collector looks less often than by itself, for hardly anything is, and 30,000 Services are a million objects.
    Large buffers are used again: each page that is given back has to be asked for and cleared once more.
    """
    gc.set_threshold(50_000, 20, 100)
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        _libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)
    gc.freeze()
    gc.enable()


async def give_back(seconds: float = ROUND_SECONDS, still: float = STILL) -> None:
    """After each round without load: collects the garbage of before, and returns free memory to the system.

    What is left the first time stays, so the collector need not look at it again and again. Until cancelled.
    still: the part of a core below which a round is without load.
    """
    lowest, used = 0, time.process_time()
    while True:
        await asyncio.sleep(seconds)
        before, used = used, time.process_time()
        if used - before > still * seconds:
            continue
        if _resident() > lowest + _GROWN_PAGES:
            gc.collect()
        if not lowest:
            gc.freeze()
        if hasattr(_libc, "malloc_trim"):
            _libc.malloc_trim(0)
        lowest = _resident()


def _resident() -> int:
    """Pages."""
    return int(Path("/proc/self/statm").read_text().split()[1])
