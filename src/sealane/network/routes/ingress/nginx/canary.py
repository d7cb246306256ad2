"""canary: another Ingress takes a part of the requests of a path: by header, else by cookie, else by weight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sealane.kube.regex import PatternError, pattern
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule
from sealane.network.routes.model.matches import ValueMatch


class Canary(NamedTuple):
    """header, cookie: their names. value: of the header, exactly; pattern: that the value must match somewhere.

    weight of total: requests that nothing else decides on.
    """

    header: str = ""
    value: str = ""
    pattern: str = ""
    cookie: str = ""
    weight: int = 0
    total: int = 100


def read(annotations: Reader) -> Canary | None:
    if not annotations.flag("canary"):
        return None
    expression = annotations.text("canary-by-header-pattern")
    try:
        pattern(expression)
    except PatternError:
        annotations.refuse("canary-by-header-pattern", "a regular expression of RE2", "")
        expression = ""
    total = annotations.number("canary-weight-total", 100, 1)
    return Canary(
        annotations.text("canary-by-header").lower(),
        annotations.text("canary-by-header-value"),
        expression,
        annotations.text("canary-by-cookie"),
        annotations.number("canary-weight", 0, 0, total),
        total,
    )


def split(canary: Canary, main: Rule, other: Rule) -> Iterator[Rule]:
    """The rules that take the place of `main`, in their order. other: the canary's rule for the same path."""
    assert isinstance(main.action, Forward)
    assert isinstance(other.action, Forward)
    for match, chosen in _decided(canary):
        part = other if chosen else main
        yield replace(part, match=replace(main.match, headers=(*main.match.headers, match)))
    if canary.weight:
        share = canary.weight
        backends = (
            *(replace(each, weight=canary.total - share) for each in main.action.backends),
            *(replace(each, weight=share) for each in other.action.backends),
        )
        yield replace(main, action=replace(main.action, backends=backends))
    else:
        yield main


def _decided(canary: Canary) -> Iterator[tuple[ValueMatch, bool]]:
    """Matches that decide, and whether for the canary."""
    if canary.header and canary.value:
        yield ValueMatch(canary.header, canary.value), True
    elif canary.header and canary.pattern:
        yield ValueMatch(canary.header, f".*(?:{canary.pattern}).*", regex=True), True
    elif canary.header:
        yield ValueMatch(canary.header, "always"), True
        yield ValueMatch(canary.header, "never"), False
    if canary.cookie:
        for word, chosen in (("always", True), ("never", False)):
            cookie = rf"(?:.*;)?\s*{re.escape(canary.cookie)}={word}\s*(?:;.*)?"
            yield ValueMatch("cookie", cookie, regex=True), chosen
