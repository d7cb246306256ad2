"""Limits of single values: each is a function of a value and its path that gives what is wrong.

Source of order and words: k8s.io/kube-openapi/pkg/validation/{validate,errors}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sealane.kube.gotext import number, quoted, shown
from sealane.kube.regex import PatternError, pattern
from sealane.kube.structural import formats

Cause = tuple[str, str, str]
"""Field path ("" for the object itself), reason such as "FieldValueInvalid", message such as "Invalid value: …"."""

Limit = Callable[[Any, str], Iterator[Cause]]


def limits_of(schema: Mapping[str, Any], form: str) -> tuple[Limit, ...]:
    found: list[Limit] = []
    if any(key in schema for key in ("maxLength", "minLength", "pattern")):
        found.append(_text(schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")))
    if form:
        found.append(_format(form))
    if any(key in schema for key in ("multipleOf", "maximum", "minimum")):
        found.append(_range(schema))
    if any(key in schema for key in ("minItems", "maxItems")):
        found.append(_count(schema.get("minItems"), schema.get("maxItems"), list, "items"))
    if schema.get("enum") is not None:
        found.append(_enum(schema["enum"]))
    if any(key in schema for key in ("minProperties", "maxProperties")):
        found.append(_count(schema.get("minProperties"), schema.get("maxProperties"), dict, "properties"))
    return tuple(found)


def invalid(path: str, value: Any, why: str) -> Cause:
    return (path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {path} in body {why}")


def mistyped(path: str, expected: str, got: str) -> Cause:
    why = f"{path} in body must be of type {expected}: {quoted(got)}"
    return (path, "FieldValueTypeInvalid", f"Invalid value: {quoted(got)}: {why}")


def required(path: str) -> Cause:
    return (path, "FieldValueRequired", "Required value")


def _text(longest: int | None, shortest: int | None, expression: str | None) -> Limit:
    try:
        compiled = pattern(expression) if expression else None
    except PatternError:
        compiled = None  # the definition was refused

    def check(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, str):
            return
        if longest is not None and len(value) > longest:
            unit = "byte" if longest == 1 else "bytes"
            yield (path, "FieldValueTooLong", f"Too long: may not be more than {longest} {unit}")
        elif shortest is not None and len(value) < shortest:
            yield invalid(path, value, f"should be at least {shortest} chars long")
        elif compiled is not None and not compiled.search(value):
            yield invalid(path, value, f"should match '{expression}'")

    return check


def _format(name: str) -> Limit:
    def check(value: Any, path: str) -> Iterator[Cause]:
        if isinstance(value, str) and not formats.fits(name, value):
            why = f"{path} in body must be of type {name}: {quoted(value)}"
            yield (path, "FieldValueTypeInvalid", f"Invalid value: {quoted(value)}: {why}")

    return check


def _range(schema: Mapping[str, Any]) -> Limit:
    factor, most, least = schema.get("multipleOf"), schema.get("maximum"), schema.get("minimum")
    below, above = bool(schema.get("exclusiveMaximum")), bool(schema.get("exclusiveMinimum"))

    def check(value: Any, path: str) -> Iterator[Cause]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return

        def said(bound: float) -> str:
            return str(int(bound)) if isinstance(value, int) and float(bound).is_integer() else number(float(bound))

        if factor and not _multiple(value, factor):
            yield invalid(path, value, f"should be a multiple of {said(factor)}")
        if most is not None and (value >= most if below else value > most):
            yield invalid(path, value, f"should be less than {'' if below else 'or equal to '}{said(most)}")
        if least is not None and (value <= least if above else value < least):
            yield invalid(path, value, f"should be greater than {'' if above else 'or equal to '}{said(least)}")

    return check


def _multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    try:
        return float(value / factor).is_integer()
    except OverflowError:
        return False


def _count(least: int | None, most: int | None, of: type, unit: str) -> Limit:
    def check(value: Any, path: str) -> Iterator[Cause]:
        if not isinstance(value, of):
            return
        count = len(value)  # type: ignore[arg-type]  # a list or a map
        if least is not None and count < least:
            yield invalid(path, count, f"should have at least {least} {unit}")
        if most is not None and count > most:
            limit = f"{most} item" if most == 1 else f"{most} items"
            yield (path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit}")

    return check


def _enum(values: Sequence[Any]) -> Limit:
    allowed = [(type(each), each) for each in values]
    words = ", ".join(quoted(each if isinstance(each, str) else shown(each)) for each in values)

    def check(value: Any, path: str) -> Iterator[Cause]:
        if not any(value == each and isinstance(value, bool) == (kind is bool) for kind, each in allowed):
            said = "null" if value is None else shown(value)
            yield (path, "FieldValueNotSupported", f"Unsupported value: {said}: supported values: {words}")

    return check
