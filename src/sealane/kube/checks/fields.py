"""Fields: each is known, of its type, within its limits; required fields are there."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sealane.kube import schema
from sealane.kube.checks import integers
from sealane.kube.checks.integers import GoInteger, go_integer
from sealane.kube.problems import MapKey, Part, Problem, path_text, quoted
from sealane.kube.schema import Field, Type

_QUANTITY = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_MANY = 12
_HALF = 1 << 31
"""From so much on a whole number is not in every integer."""


def check_fields(part: Part, found: Type, above: tuple[Type, ...] = ()) -> Iterator[Problem]:
    """All problems of an object and of what is in it. null reads as absent, as the API reads it.

    above: the types of the objects around it, outermost first; they tell a slip of indentation from one of spelling.
    """
    if not isinstance(part.value, dict):
        yield _mistyped(part, "object")
        return
    for key, value in part.value.items():
        field = found.fields.get(key) if isinstance(key, str) else None
        if field is None:
            yield _unknown(part, str(key), found, above)
        elif value is not None and (type(value) is not field.simple or (field.simple is int and abs(value) >= _HALF)):
            yield from _check(part[key], field, (*above, found))
    in_status = part.path[:1] == ("status",) and not found.name.startswith("gateway.")
    for name in found.required:
        if part.value.get(name) is None and not in_status:
            yield part[name].required()


def nearest(name: str, known: list[str]) -> str:
    """The known name that `name` is most likely a slip of; "" when none is near."""
    bare = name.lower().replace("_", "").replace("-", "")
    folded = {each.lower(): each for each in known}
    if bare in folded:
        return folded[bare]
    longer = [each for each in known if len(name) > 2 and each.lower().startswith(bare)]
    if len(longer) == 1:
        return longer[0]
    found = get_close_matches(bare, folded, 1, 0.6)
    return folded[found[0]] if found else ""


def _unknown(part: Part, name: str, found: Type, above: tuple[Type, ...]) -> Problem:
    known = sorted(found.fields)
    near, hint = "", _elsewhere(part, name, found, above)
    if not hint:
        near = nearest(name, [each for each in known if each not in part])
        hint = f"; did you mean {quoted(near)}?" if near else ""
    expected = ", ".join(known[:_MANY]) + (", …" if len(known) > _MANY else "")
    message = f"unknown field{hint} (expected one of {expected})"
    return Problem((*part.path, name), message, "UnknownField", expected, None, near)


def _elsewhere(part: Part, name: str, found: Type, above: tuple[Type, ...]) -> str:
    """The path to which a field of exactly this name belongs: in a field of this object, or in an object around it."""
    inside: list[str] = []
    for one, field in sorted(found.fields.items()):
        if field.element in schema.PLAIN or one == "status":
            continue
        inner = schema.named(field.element)
        if name in inner.fields:
            inside.append(one)
            continue
        for two, deeper in sorted(inner.fields.items()):
            if two in part and deeper.element not in schema.PLAIN and name in schema.named(deeper.element).fields:
                inside.append(f"{one}.{two}")
    if inside and len(inside) <= 3:
        return f"; it belongs in {' or '.join(inside)}"
    for depth in range(len(above) - 1, -1, -1):
        if name in above[depth].fields and name not in ("name", "kind", "type"):
            names = [each for each in part.path if isinstance(each, str)]
            where = ".".join(names[:depth])
            return f"; it belongs in {where}: look at the indentation" if where else "; it belongs at the top"
    return ""


def _check(part: Part, field: Field, above: tuple[Type, ...]) -> Iterator[Problem]:
    if field.type.startswith("[]"):
        if not isinstance(part.value, list):
            yield _mistyped(part, f"list of {_word(field.type[2:])}")
            return
        yield from _check_count(part, field)
        for index, item in enumerate(part.value):
            yield from _check_one(Part(item, (*part.path, index)), field.type[2:], field, above)
    elif field.type.startswith("{}"):
        if not isinstance(part.value, dict):
            yield _mistyped(part, f"map of {_word(field.type[2:])}")
            return
        for key, value in part.value.items():
            if type(value) is str and type(key) is str and field.type == "{}string":
                continue
            at = Part(value, (*part.path, MapKey(str(key))))
            if not isinstance(key, str):
                yield Problem(at.path, f"expected a string as key, got {_got(key)}", "FieldTypeInvalid", "string", key)
            elif value is not None:
                yield from _check_one(at, field.type[2:], field, above)
    else:
        yield from _check_one(part, field.type, field, above)


def _check_one(part: Part, type_name: str, field: Field, above: tuple[Type, ...]) -> Iterator[Problem]:
    if type_name.startswith(("[]", "{}")):
        yield from _check(part, Field(field.name, type_name), above)
        return
    if type_name not in schema.PLAIN:
        yield from check_fields(part, schema.named(type_name), above)
        return
    value = part.value
    match type_name:
        case "any":
            return
        case "string" | "time" | "bytes":
            fits = isinstance(value, str)
        case "integer":
            fits = _integral(value)
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            fits = isinstance(value, bool)
        case "int-or-string":
            fits = isinstance(value, str) or _integral(value)
        case _:  # quantity
            fits = isinstance(value, str | int | float) and not isinstance(value, bool)
    if not fits:
        yield _mistyped(part, type_name)
        return
    if type_name in ("integer", "int-or-string") and not isinstance(value, str) and field.maximum is None:
        go: GoInteger = "int32" if type_name == "int-or-string" or not above else go_integer(above[-1].name, field.name)
        if not integers.fits(value, go):
            bits = f"a whole number of {go[3:]} bits"
            yield Problem(part.path, f"expected {bits}, got {value}", "FieldTypeInvalid", bits, value)
            return
    yield from _check_value(part, type_name, field)


def _check_value(part: Part, type_name: str, field: Field) -> Iterator[Problem]:
    value = part.value
    if type_name == "quantity" and isinstance(value, str) and not _QUANTITY.fullmatch(value):
        yield part.invalid(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    elif type_name == "time" and not _TIME.fullmatch(value):
        yield part.invalid("expected a time such as 2026-01-02T15:04:05Z (RFC 3339)")
    elif type_name == "bytes":
        try:
            base64.b64decode(value, validate=True)
        except ValueError:  # binascii.Error, or letters beyond ASCII
            yield part.invalid("illegal base64 data (plain text goes into stringData)")
    if field.enum and value not in field.enum:
        near = nearest(value, [str(each) for each in field.enum]) if isinstance(value, str) else ""
        yield part.not_supported(sorted(field.enum), near)
    if isinstance(value, str):
        if field.min_length is not None and len(value) < field.min_length:
            yield part.invalid(f"{path_text(part.path)} in body should be at least {field.min_length} chars long")
        elif field.max_length is not None and len(value) > field.max_length:
            yield Problem(
                part.path, f"Too long: may not be more than {field.max_length} bytes", "FieldValueTooLong", got=value
            )
        elif field.pattern is not None and not field.pattern.search(value):
            yield part.invalid(f"{path_text(part.path)} in body should match '{field.pattern.pattern}'")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if field.minimum is not None and value < field.minimum:
            yield part.invalid(f"{path_text(part.path)} in body should be greater than or equal to {field.minimum:g}")
        if field.maximum is not None and value > field.maximum:
            yield part.invalid(f"{path_text(part.path)} in body should be less than or equal to {int(field.maximum)}")


def _check_count(part: Part, field: Field) -> Iterator[Problem]:
    count = len(part.value)
    if field.min_items is not None and count < field.min_items:
        yield part.invalid(f"{path_text(part.path)} in body should have at least {field.min_items} items", count)
    if field.max_items is not None and count > field.max_items:
        yield Problem(
            part.path,
            f"Too many: {count}: must have at most {field.max_items} items",
            "FieldValueTooMany",
            f"at most {field.max_items} items",
            count,
        )


def _integral(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _word(type_name: str) -> str:
    """A type as a person names it."""
    words = {"string": "strings", "integer": "integers", "any": "values", "quantity": "quantities"}
    return words.get(type_name, "objects" if type_name not in schema.PLAIN else type_name)


def _got(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean {quoted(value)}"
        case int():
            return f"integer {value}"
        case float():
            return f"number {value}"
        case str():
            return f"string {quoted(value)}"
        case list():
            return "a list"
        case _:
            return "an object"


def _mistyped(part: Part, expected: str) -> Problem:
    hint = ""
    if expected in ("string", "map of strings") and isinstance(part.value, bool | int | float):
        hint = f" (put it in quotes: {quoted(quoted(part.value))})"
    return Problem(
        part.path, f"expected {expected}, got {_got(part.value)}{hint}", "FieldTypeInvalid", expected, part.value
    )
