"""Schedules of CronJobs: when next. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax; the syntax is that of
github.com/robfig/cron/v3: five fields with lists, ranges, steps, names and ?, the @-words, and @every.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEAR = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_YEAR, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: Sequence[tuple[str, int, int, Mapping[str, int]]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_YEARS = 5
"""How far a schedule is looked for: the 30th of February never comes."""


class BadSchedule(ValueError):
    """The text is no schedule; the message says why."""


class Every(msgspec.Struct, frozen=True):
    """@every: so many whole seconds."""

    seconds: int

    def after(self, moment: float, zone: tzinfo = UTC) -> float | None:
        return int(moment) + self.seconds


class Schedule(msgspec.Struct, frozen=True):
    """Days match in the month or in the week, whichever is restricted; when both are, either is enough."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def after(self, moment: float, zone: tzinfo = UTC) -> float | None:
        """The next time later than `moment` (seconds since the epoch), by the clocks of `zone`; None when never."""
        start = datetime.fromtimestamp(int(moment), UTC).astimezone(zone)
        day = start.date()
        for _ in range(366 * _YEARS):
            if day.month in self.months and self._is_on(day.day, (day.weekday() + 1) % 7):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).timestamp()
                        back = datetime.fromtimestamp(found, UTC).astimezone(zone)
                        is_real = (back.hour, back.minute) == (hour, minute)  # not left out by a change of clocks
                        if found > moment and is_real:
                            return found
            day += timedelta(days=1)
        return None

    def _is_on(self, day: int, weekday: int) -> bool:
        if self.any_day or self.any_weekday:
            return day in self.days and weekday in self.weekdays
        return day in self.days or weekday in self.weekdays


def parse(text: str) -> Schedule | Every:
    """Raises BadSchedule."""
    text = text.strip()
    if text.startswith("@every "):
        return Every(max(1, int(_duration(text.removeprefix("@every ").strip()))))
    if text.startswith("@"):
        if text not in _WORDS:
            raise BadSchedule(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise BadSchedule(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    found = [_field(part, low, high, names) for part, (_, low, high, names) in zip(parts, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (values for values, _ in found)
    return Schedule(minutes, hours, days, months, weekdays, found[2][1], found[4][1])


def _field(text: str, low: int, high: int, names: Mapping[str, int]) -> tuple[frozenset[int], bool]:
    """The values, and whether it is a star, which restricts nothing."""
    values: set[int] = set()
    star = False
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first, dash, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
            star = star or not slash or step_text == "1"
        else:
            begin = _value(first, names)
            end = _value(last, names) if dash else begin
            if slash and not dash:
                end = high
        step = _value(step_text, {}) if slash else 1
        if begin < low:
            raise BadSchedule(f"beginning of range ({begin}) below minimum ({low}): {part}")
        if end > high:
            raise BadSchedule(f"end of range ({end}) above maximum ({high}): {part}")
        if begin > end:
            raise BadSchedule(f"beginning of range ({begin}) beyond end of range ({end}): {part}")
        if step == 0:
            raise BadSchedule(f"step of range should be a positive number: {part}")
        values.update(range(begin, end + 1, step))
    return frozenset(values), star


def _value(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isdecimal():
        raise BadSchedule(f"failed to parse int from {text}")
    return int(text)


def _duration(text: str) -> float:
    """Go's durations: "1h30m"."""
    pieces = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise BadSchedule(f"failed to parse duration @every {text}")
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)
