"""whitelist-source-range (allowlist-source-range), denylist-source-range: 403 for other addresses.

limit-rps, limit-rpm, limit-burst-multiplier: 503 for more requests of one address. Both come after redirects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from typing import NamedTuple

from sealane.network.routes.filters.limit import Limit
from sealane.network.routes.filters.ranges import Ranges
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule


class Access(NamedTuple):
    ranges: Ranges | None
    limits: tuple[Limit, ...]


def read(annotations: Reader) -> Access | None:
    allow = _ranges(annotations, "allowlist-source-range") or _ranges(annotations, "whitelist-source-range")
    ranges = Ranges(allow, _ranges(annotations, "denylist-source-range"))
    burst = annotations.number("limit-burst-multiplier", 5, 1)
    limits = tuple(
        Limit(number, seconds, number * burst)
        for name, seconds in (("limit-rps", 1), ("limit-rpm", 60))
        if (number := annotations.number(name, 0))
    )
    made = Access(ranges if ranges != Ranges() else None, limits)
    return made if any(made) else None


def _ranges(annotations: Reader, name: str) -> tuple[str, ...]:
    """One wrong range among them, and none holds."""
    asked = annotations.listed(name)
    try:
        return tuple(str(ip_network(each, strict=False)) for each in asked)
    except ValueError:
        annotations.refuse(name, "a list of networks such as 10.0.0.0/8", "")
        return ()


def expand(access: Access, rule: Rule) -> Iterator[Rule]:
    if isinstance(rule.action, Forward):
        rule = replace(rule, ranges=access.ranges, limits=access.limits)
    yield rule
