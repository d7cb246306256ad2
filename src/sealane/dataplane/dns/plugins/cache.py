"""`cache`: how long answers from upstream are remembered. Source: https://coredns.io/plugins/cache/.

The cluster's own names are always answered as they are now, which no cache could do better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

OPTIONS = ("success", "denial", "prefetch", "serve_stale", "servfail", "disable", "keepttl")
MAX_SERVFAIL = 300.0


@dataclass(frozen=True, slots=True)
class Cache:
    """success, denial: remembered at most so many seconds, and at least `success_min` or `denial_min`.

    capacity: answers, of each sort. servfail: seconds that a failure is. prefetch: asked for anew when asked for so
    often in `prefetch_seconds`, once less than `prefetch_share` of its time is left; 0 for never. stale_seconds: how
    much longer an answer is given while, or (verify) only if, no newer one can be had. off: for each sort the zones in
    which it is not remembered.
    """

    zones: tuple[str, ...] = ("",)
    success: int = 3600
    denial: int = 1800
    success_min: int = 5
    denial_min: int = 5
    capacity: int = 9984
    denial_capacity: int = 9984
    servfail: int = 5
    prefetch: int = 0
    prefetch_seconds: float = 60.0
    prefetch_share: float = 0.1
    stale_seconds: float = 0.0
    verify: bool = False
    keep_ttl: bool = False
    off_success: tuple[str, ...] = ()
    off_denial: tuple[str, ...] = ()

    def disabled(self, sort: Literal["success", "denial"], name: str) -> bool:
        return step.covered(self.off_success if sort == "success" else self.off_denial, name)


def read(directive: Directive, zones: Sequence[str] = ("",)) -> Cache:
    """Raises CorefileError."""
    words = list(directive.args)
    found = Cache()
    if words and words[0].isdecimal():
        seconds = _positive(directive, words.pop(0))
        found = replace(found, success=seconds, denial=seconds)
    found = replace(found, zones=step.zones(directive, words, zones))
    for option in directive.block:
        found = _with(found, option, zones)
    return found


def _with(cache: Cache, option: Directive, zones: Sequence[str]) -> Cache:
    args = option.args
    match option.name:
        case "success" | "denial":
            if not 1 <= len(args) <= 3:
                raise option.error(f"{option.name} takes a capacity, and perhaps the longest and the shortest time")
            capacity, *times = (_positive(option, text) for text in args)
            if option.name == "success":
                most, least = _times(times, cache.success, cache.success_min)
                return replace(cache, capacity=capacity, success=most, success_min=least)
            most, least = _times(times, cache.denial, cache.denial_min)
            return replace(cache, denial_capacity=capacity, denial=most, denial_min=least)
        case "prefetch":
            if not 1 <= len(args) <= 3:
                raise option.error("prefetch takes a number, and perhaps a duration and a percentage")
            amount = step.integer(option, args[0])
            seconds = step.seconds(option, args[1]) if len(args) > 1 else cache.prefetch_seconds
            share = cache.prefetch_share
            if len(args) > 2:
                if not args[2].endswith("%") or not args[2][:-1].isdecimal() or not 10 <= int(args[2][:-1]) <= 90:
                    raise option.error(f"prefetch: expected a percentage from 10% to 90%, not {args[2]!r}")
                share = int(args[2][:-1]) / 100
            return replace(cache, prefetch=amount, prefetch_seconds=seconds, prefetch_share=share)
        case "serve_stale":
            if len(args) > 2:
                raise option.error("serve_stale takes a duration and a mode at most")
            seconds = step.seconds(option, args[0]) if args else 3600.0
            if len(args) > 1 and args[1] not in ("immediate", "verify"):
                raise option.unknown("mode of serve_stale", args[1], ("immediate", "verify"))
            return replace(cache, stale_seconds=seconds, verify=args[1:] == ("verify",))
        case "servfail":
            seconds = step.seconds(option, step.only(option, 1)[0])
            if seconds > MAX_SERVFAIL:
                raise option.error("servfail: failures are remembered for 5m at most")
            return replace(cache, servfail=int(seconds))
        case "disable":
            if not args or args[0] not in ("success", "denial"):
                raise option.error("disable takes success or denial, and perhaps zones")
            within = step.zones(option, args[1:], zones)
            return replace(cache, off_success=within) if args[0] == "success" else replace(cache, off_denial=within)
        case "keepttl":
            step.only(option, 0)
            return replace(cache, keep_ttl=True)
    raise option.unknown("option of cache", option.name, OPTIONS)


def _times(given: Sequence[int], most: int, least: int) -> tuple[int, int]:
    return given[0] if given else most, given[1] if len(given) > 1 else least


def _positive(directive: Directive, text: str) -> int:
    number = step.integer(directive, text)
    if not number and directive.name == "cache":
        raise directive.error("cache TTL can not be zero or negative: 0")
    return number
