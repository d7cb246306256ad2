"""Regular expressions of routes: RE2's dialect, as Envoy has it (https://github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_NOT_IN_RE2 = {
    _constants.ASSERT: "look-around",
    _constants.ASSERT_NOT: "look-around",
    _constants.GROUPREF: "a back-reference",
    _constants.GROUPREF_EXISTS: "a condition on a group",
    _constants.ATOMIC_GROUP: "an atomic group",
    _constants.POSSESSIVE_REPEAT: "a possessive quantifier",
}


def problem(pattern: str) -> str:
    """Why a proxy cannot use `pattern`, or ""."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"{pattern!r} is no regular expression: {error}"
    found = next(_unsupported(parsed), "")
    return f"{pattern!r} has {found}, which RE2 does not know" if found else ""


def _unsupported(part: Any) -> Iterator[str]:
    """What in a parsed expression (nested tuples, lists and SubPatterns) RE2 lacks."""
    if isinstance(part, tuple) and part and isinstance(part[0], type(_constants.LITERAL)):
        if part[0] in _NOT_IN_RE2:
            yield _NOT_IN_RE2[part[0]]
        yield from _unsupported(part[1])
    elif isinstance(part, (tuple, list, _parser.SubPattern)):
        for item in part:
            yield from _unsupported(item)
