"""Ages as kubectl shows them.

Source: k8s.io/apimachinery/pkg/util/duration.HumanDuration
"""

from __future__ import annotations

import calendar
import time
from functools import lru_cache

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def human(seconds: float) -> str:
    """ "5s", "3m20s", "2d4h", …: two units where that says more, one where it does not."""
    if seconds < -1:
        return "<invalid>"
    whole = max(0, int(seconds))
    minutes, hours, days, years = whole // MINUTE, whole // HOUR, whole // DAY, whole // YEAR
    if whole < 2 * MINUTE:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % MINUTE, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if years < 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


@lru_cache(maxsize=4096)
def _epoch(timestamp: str) -> float | None:
    try:
        return calendar.timegm(time.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def since(timestamp: str | None, now: float) -> str:
    """The time from a meta/v1 Time to `now` (seconds since the epoch); "<unknown>" without one."""
    begun = _epoch(timestamp) if isinstance(timestamp, str) else None
    return "<unknown>" if begun is None else human(now - begun)
