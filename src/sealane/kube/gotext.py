"""Values as Go prints them in messages: encoding/json, %q and %v.

Source: k8s.io/apimachinery/pkg/util/validation/field (ErrorBody)
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any


def quoted(text: str) -> str:
    """%q"""
    found = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else _escaped(each) for each in found)


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: Any) -> str:
    """A value in a message: text in quotes, plain values plain, the rest as JSON."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def number(value: float) -> str:
    """%v of a float64: the shortest digits, with an exponent below 1e-4 and from 1e+06 on."""
    if math.isinf(value) or math.isnan(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    sign, digits, power = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    exponent = len(text) - 1 + int(power)
    if value and not -4 <= exponent < 6:
        text = f"{text[0]}{'.' + text[1:] if len(text) > 1 else ''}e{exponent:+03d}"
        return f"-{text}" if sign else text
    return format(Decimal(repr(value)).normalize(), "f")
