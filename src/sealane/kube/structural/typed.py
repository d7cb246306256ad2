"""Whether a schema is written as schemas are: each keyword with a value of its type.

Source: apiextensions.k8s.io/v1 JSONSchemaProps in the API reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TEXT = frozenset(
    {
        *("$ref", "$schema", "description", "format", "id", "pattern", "title", "type", "x-kubernetes-list-type"),
        "x-kubernetes-map-type",
    }
)
_COUNTS = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})
_NUMBERS = frozenset({"maximum", "minimum", "multipleOf"})
_FLAGS = frozenset(
    {
        *("exclusiveMaximum", "exclusiveMinimum", "nullable", "uniqueItems", "x-kubernetes-embedded-resource"),
        *("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"),
    }
)
_TEXTS = frozenset({"required", "x-kubernetes-list-map-keys"})
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf"})
_NAMED = frozenset({"definitions", "patternProperties", "properties"})
_RULE = {
    "rule": str,
    "message": str,
    "messageExpression": str,
    "reason": str,
    "fieldPath": str,
    "optionalOldSelf": bool,
}
_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}

Wrong = tuple[str, str, str]
"""Path of the value below the schema, what it is, and what it should be, as Go names types."""


def wrong_types(schema: Any, path: str = "") -> Iterator[Wrong]:
    """null counts as nothing."""
    if not isinstance(schema, Mapping):
        yield (path, _word(schema), "v1.JSONSchemaProps")
        return
    for key, value in schema.items():
        if value is not None:
            yield from _wrong(str(key), value, f"{path}.{key}" if path else str(key))


def _wrong(key: str, value: Any, path: str) -> Iterator[Wrong]:
    if key in _TEXT:
        yield from _unless(isinstance(value, str), value, path, "string")
    elif key in _COUNTS:
        yield from _unless(_integer(value), value, path, "int64")
    elif key in _NUMBERS:
        yield from _unless(isinstance(value, int | float) and not isinstance(value, bool), value, path, "float64")
    elif key in _FLAGS:
        yield from _unless(isinstance(value, bool), value, path, "bool")
    elif key in _TEXTS:
        yield from _each(value, path, "[]string", lambda each, at: _unless(isinstance(each, str), each, at, "string"))
    elif key in _SCHEMAS:
        yield from _each(value, path, "[]v1.JSONSchemaProps", wrong_types)
    elif key in _NAMED:
        if not isinstance(value, Mapping):
            yield (path, _word(value), "map[string]v1.JSONSchemaProps")
            return
        for name, each in value.items():
            yield from wrong_types(each, f"{path}.{name}")
    elif key == "not":
        yield from wrong_types(value, path)
    elif key == "items":
        if isinstance(value, list):
            yield from _each(value, path, "[]v1.JSONSchemaProps", wrong_types)
        else:
            yield from wrong_types(value, path)
    elif key == "additionalProperties" and not isinstance(value, bool):
        yield from wrong_types(value, path)
    elif key == "enum":
        yield from _unless(isinstance(value, list), value, path, "[]v1.JSON")
    elif key == "x-kubernetes-validations":
        yield from _each(value, path, "v1.ValidationRules", _wrong_rule)


def _wrong_rule(rule: Any, path: str) -> Iterator[Wrong]:
    if not isinstance(rule, Mapping):
        yield (path, _word(rule), "v1.ValidationRule")
        return
    for key, type_ in _RULE.items():
        if rule.get(key) is not None:
            yield from _unless(type(rule[key]) is type_, rule[key], f"{path}.{key}", _word(type_()))


def _each(value: Any, path: str, type_: str, check: Callable[[Any, str], Iterator[Wrong]]) -> Iterator[Wrong]:
    if not isinstance(value, list):
        yield (path, _word(value), type_)
        return
    for each in value:
        yield from check(each, path)


def _unless(right: bool, value: Any, path: str, type_: str) -> Iterator[Wrong]:
    if not right:
        yield (path, _word(value), type_)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _word(value: Any) -> str:
    return _WORDS.get(type(value), "null")
