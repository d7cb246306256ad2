"""Rules that several kinds share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sealane.kube import names
from sealane.kube.names import Check
from sealane.kube.problems import Part, Problem

_PERCENT = re.compile(r"[0-9]+%")


def check_text(part: Part, check: Check) -> Iterator[Problem]:
    """`check` on a non-empty string; nothing on anything else."""
    if isinstance(part.value, str) and part.value:
        yield from (part.invalid(why) for why in check(part.value))


def check_port(part: Part, named: Check | None = names.port_name) -> Iterator[Problem]:
    """A port number, or a port's name where `named` says what such a name looks like."""
    if isinstance(part.value, int) and not isinstance(part.value, bool):
        yield from (part.invalid(why) for why in names.port_number(part.value))
    elif isinstance(part.value, str) and named is not None:
        yield from (part.invalid(why) for why in named(part.value))


def check_not_negative(part: Part, *fields: str) -> Iterator[Problem]:
    for field in fields:
        number = part.number(field)
        if number is not None and number < 0:
            yield part[field].invalid("must be greater than or equal to 0")


def check_amount(part: Part) -> Iterator[Problem]:
    """A number of pods or a percentage."""
    if isinstance(part.value, str) and not _PERCENT.fullmatch(part.value):
        yield part.invalid(
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex "
            f"used for validation is '{_PERCENT.pattern}')"
        )
    elif isinstance(part.value, int) and part.value < 0:
        yield part.invalid("must be greater than or equal to 0")


def check_unique(parts: list[Part], field: str) -> Iterator[Problem]:
    """No two elements have the same (non-empty) text in `field`."""
    seen: set[Any] = set()
    for part in parts:
        text = part.text(field)
        if text and text in seen:
            yield part[field].duplicate()
        seen.add(text)
