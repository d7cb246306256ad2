"""The time that the server writes into objects: one place to stop it in tests."""

from __future__ import annotations

import time

_clock = (0, "")


def timestamp(offset: float = 0) -> str:
    """Now, or `offset` seconds later, as meta/v1 Time writes it."""
    global _clock
    second = int(time.time() + offset)
    if _clock[0] != second:
        _clock = (second, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)))
    return _clock[1]
