"""Matches: the requests that a rule is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PathKind = Literal["exact", "prefix", "start", "regex"]


@dataclass(frozen=True, slots=True)
class PathMatch:
    """kind "prefix" matches whole path elements: /a matches /a and /a/b, not /ab. "start" matches whatever begins so,
    /ab as well. "regex" matches the whole path."""

    kind: PathKind = "prefix"
    value: str = "/"


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A header (name in lower case) or a query parameter. above: instead of `value`, a number that its own exceeds."""

    name: str
    value: str
    regex: bool = False
    above: int | None = None

    def __str__(self) -> str:
        if self.above is not None:
            return f"{self.name} above {self.above}"
        return f"{self.name}{'~' if self.regex else '='}{self.value}"


@dataclass(frozen=True, slots=True)
class Match:
    """All parts must hold."""

    path: PathMatch = PathMatch()
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
