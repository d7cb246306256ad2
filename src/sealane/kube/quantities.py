"""Amounts of resources as manifests write them: "250m", "1.5Gi", "1e3".

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from functools import lru_cache

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d+))?")
_MOST_DIGITS = 50
_PARTS = {"n": 10**9, "u": 10**6, "m": 10**3}
_UNITS = {unit: 1000**power for power, unit in enumerate("kMGTPE", 1)}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)}


@lru_cache(maxsize=1024)
def thousandths(text: str) -> int:
    """In units of a thousandth, rounded up: what schedulers count in. Raises ValueError for what is no amount."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no quantity")
    number, unit, exponent_text = match.groups()
    whole, _, decimals = number.partition(".")
    exponent = int(exponent_text or 0) - len(decimals) + 3
    if abs(exponent) > _MOST_DIGITS or len(number) > _MOST_DIGITS:
        raise ValueError(f"{text!r} is no amount of anything")
    up, down = (int(f"1{'0' * max(0, each)}") for each in (exponent, -exponent))
    amount: int = int(whole + decimals) * _UNITS.get(unit, 1) * up
    return -(-amount // (_PARTS.get(unit, 1) * down))


def text(amount: int, like: str = "") -> str:
    """Thousandths as a manifest would write them, with the sort of unit that `like` has: "1536Mi", "1500m", "2k", "3".

    Source: Quantity.String of k8s.io/apimachinery/pkg/api/resource (the largest unit without a fraction)
    """
    if amount % 1000:
        return f"{amount}m"
    whole, base = amount // 1000, 1024 if like.endswith("i") else 1000
    unit = ""
    for each in _BINARY if base == 1024 else _DECIMAL:
        if not whole or whole % base:
            break
        whole, unit = whole // base, each
    return f"{whole}{unit}"


_DECIMAL = tuple("kMGTPE")
_BINARY = tuple(f"{letter}i" for letter in "KMGTPE")
