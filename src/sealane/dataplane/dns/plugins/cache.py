"""`cache`: how long answers of others are remembered. Source: https://coredns.io/plugins/cache/.

The cluster's own names are always answered as they are now, which no cache could do better.
"""

from __future__ import annotations

from dataclasses import dataclass

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

OPTIONS = ("success", "denial", "prefetch", "serve_stale", "servfail", "disable", "keepttl")


@dataclass(frozen=True, slots=True)
class Cache:
    """At most so many seconds; 0 for not at all."""

    success: int = 3600
    denial: int = 1800


def read(directive: Directive) -> Cache:
    """Raises CorefileError."""
    success, denial = 3600, 1800
    if directive.args and directive.args[0].isdecimal():
        success = int(directive.args[0])
        denial = min(success, denial)
    for option in directive.block:
        if option.name not in OPTIONS:
            raise option.unknown("option of cache", option.name, OPTIONS)
        if option.name in ("success", "denial") and len(option.args) > 1:
            ttl = step.integer(option, option.args[1])
            success, denial = (ttl, denial) if option.name == "success" else (success, ttl)
        elif option.name == "disable":
            which = option.args[:1]
            success = 0 if which != ("denial",) else success
            denial = 0 if which != ("success",) else denial
    return Cache(success, denial)
