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
