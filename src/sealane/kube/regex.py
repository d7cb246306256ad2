"""Regular expressions wherever Kubernetes, Envoy or CoreDNS has Go's: RE2's syntax and its linear time.

Source: https://github.com/google/re2/wiki/Syntax and https://pkg.go.dev/regexp/syntax
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Protocol, cast

_WORDS = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "pattern too large": "expression too large",
}
"""What RE2 says, and Go (regexp/syntax, ErrorCode)."""

_ESCAPES = re.compile(r"\\Q.*?(?:\\E|$)|\\(.)", re.DOTALL)


class PatternError(ValueError):
    """In Go's words, such as "missing closing ): (a" with the part in backticks."""


class Match(Protocol):
    def __getitem__(self, group: int | str, /) -> str | Any: ...
    def expand(self, template: str, /) -> str: ...


class Pattern(Protocol):
    """The interface that the engines of RE2 and of Python have in common."""

    @property
    def pattern(self) -> str: ...
    @property
    def groups(self) -> int: ...
    def search(self, text: str, /) -> Match | None: ...
    def fullmatch(self, text: str, /) -> Match | None: ...
    def finditer(self, text: str, /) -> Iterator[Match]: ...
    def sub(self, repl: str | Callable[[Any], str], text: str, /, count: int = 0) -> str: ...


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern:
    """Raises PatternError."""
    import re2  # 10 ms that a cluster without patterns does without

    if any(escape[1] == "C" for escape in _ESCAPES.finditer(text)):  # a single byte: RE2 knows it, Go does not
        raise PatternError(r"invalid escape sequence: `\C`")
    options = re2.Options()
    options.log_errors = False
    try:
        return cast(Pattern, re2.compile(text, options))
    except re2.error as error:
        said = error.args[0]
        raise PatternError(_said(said.decode(errors="replace") if isinstance(said, bytes) else said)) from None
    except UnicodeEncodeError:
        raise PatternError("invalid UTF-8") from None


def _said(text: str) -> str:
    if text == "trailing \\":
        return "trailing backslash at end of expression: ``"
    what, _, where = text.partition(": ")
    return f"{_WORDS.get(what, what)}: `{where}`"
